import { basename } from "node:path";
import type { Context, Hono } from "hono";
import { z } from "zod";
import { operationSchema } from "../../contract/api.ts";
import {
  backupEntrySchema,
  backupsOverviewSchema,
  backupTargetSchema,
  dueRequestSchema,
  projectBackupsSchema,
  restoreRequestSchema,
} from "../../contract/api-backups.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { assertAdmin, type Caller } from "../accounts/caller.ts";
import { lookFor } from "../backups/adopt.ts";
import { makeBundle } from "../backups/bundle.ts";
import type { Drills } from "../backups/drills.ts";
import { dumpFile } from "../backups/dump.ts";
import type { HubBackup } from "../backups/hub-backup.ts";
import type { Keeper } from "../backups/keeper.ts";
import { listFolder } from "../backups/look.ts";
import type { Overview } from "../backups/overview.ts";
import type { Owners } from "../backups/owner.ts";
import { recoverySheet } from "../backups/recovery-sheet.ts";
import type { OpenRepository, Repositories } from "../backups/repositories.ts";
import { parsePolicy, policyInWords } from "../backups/retention.ts";
import type { BackupService } from "../backups/service.ts";
import type { BackupStore } from "../backups/store.ts";
import type { HubCore } from "../core.ts";
import { type ApiEnv, body, callerOf, doc } from "./kit.ts";

export interface BackupRouteDeps {
  core: HubCore;
  repositories: Repositories;
  store: BackupStore;
  service: BackupService;
  keeper: Keeper;
  drills: Drills;
  overview: Overview;
  runDue(): Promise<number>;
  hubBackup: HubBackup;
  owners: Owners;
}

/** `..` and absolute paths are refused; the empty path is the home itself. */
function pathOf(c: Context<ApiEnv>): string {
  const path = (c.req.query("path") ?? "").replace(/\/+$/, "");
  if (path.startsWith("/") || path.includes("\0") || path.split("/").includes("..")) {
    throw new CodedError({
      code: "backup.bad-path",
      title: "That is no path below the home",
      status: 422,
      exit: EX.DATAERR,
    });
  }
  return path;
}

export function backupRoutes(api: Hono<ApiEnv>, deps: BackupRouteDeps): void {
  const { core, repositories, store, service, keeper, drills, overview } = deps;
  const { settings, operations } = core;

  async function repositoryOf(id: string): Promise<OpenRepository> {
    const one = await repositories.find(id);
    if (one) return one;
    throw new CodedError({
      code: "backup.no-repository",
      title: "The repository of this backup is not known any more",
      status: 410,
    });
  }

  api.get("/projects/:id/backups", doc("A project's backups", projectBackupsSchema), async (c) => {
    const { project_id } = await core.projects.get(callerOf(c), c.req.param("id"));
    const backups = await store.list(callerOf(c), project_id);
    return c.json({
      backups,
      last_proven_at: backups.find((one) => one.state === "proven")?.started_at ?? null,
      keeps: policyInWords(parsePolicy(await settings.get("backup_keep"))),
      every_minutes: await settings.number("backup_every_minutes"),
      alarms: await overview.alarmsOfProject(project_id),
    });
  });
  api.post("/projects/:id/backups", doc("Backs a project up now", operationSchema, 202), async (c) =>
    c.json(await service.backup(callerOf(c), c.req.param("id")), 202),
  );
  api.get(
    "/projects/:id/backups/:backup/files",
    doc("One folder of the home, as it was then", z.array(backupEntrySchema)),
    async (c) => {
      const row = await store.one(callerOf(c), c.req.param("id"), c.req.param("backup"), "viewer");
      return c.json(
        await listFolder(repositories, await repositoryOf(row.repository_id), row.snapshot_id, pathOf(c)),
      );
    },
  );
  api.get(
    "/projects/:id/backups/:backup/file",
    doc("One file, as it was then, as a download", z.string()),
    async (c) => {
      const row = await store.one(callerOf(c), c.req.param("id"), c.req.param("backup"), "viewer");
      const path = pathOf(c);
      const stream = await dumpFile(
        repositories,
        await repositoryOf(row.repository_id),
        row.snapshot_id,
        path,
      );
      return new Response(stream, {
        headers: {
          "content-type": "application/octet-stream",
          // A file of a project is never shown as a page of the hub's origin.
          "content-disposition": `attachment; filename*=UTF-8''${encodeURIComponent(basename(path))}`,
          "content-security-policy": "sandbox; default-src 'none'",
          "x-content-type-options": "nosniff",
          "cache-control": "no-store",
        },
      });
    },
  );
  api.post(
    "/projects/:id/backups/:backup/restore",
    doc("Restores a project, or files of it", operationSchema, 202),
    body(restoreRequestSchema),
    async (c) =>
      c.json(
        await service.restore(callerOf(c), c.req.param("id"), c.req.param("backup"), c.req.valid("json")),
        202,
      ),
  );

  const admin = (c: Context<ApiEnv>): Caller => {
    const caller = callerOf(c);
    assertAdmin(caller);
    return caller;
  };
  api.get(
    "/backups",
    doc("All backups, repositories, drills, alarms (admin)", backupsOverviewSchema),
    async (c) => c.json(await overview.overview(callerOf(c))),
  );
  api.post(
    "/backups/due",
    doc("Begins what is due (admin)", z.object({ started: z.number() })),
    body(dueRequestSchema),
    async (c) => {
      admin(c);
      const { what } = c.req.valid("json");
      return c.json({ started: what === "backup" ? await deps.runDue() : await keeper.beginDue(what) });
    },
  );
  api.post(
    "/backups/drill",
    doc("Restores a project to nowhere and compares (admin)", operationSchema, 202),
    body(z.object({ project_id: z.uuid().optional() })),
    async (c) => {
      admin(c);
      return c.json(await drills.start(c.req.valid("json").project_id), 202);
    },
  );
  for (const [verb, steps] of [
    ["verify", [["read", "Every pack was read and is what its name says"]]],
    ["prune", [["pruned", "What nothing needs any more is marked or gone"]]],
  ] as const) {
    operations.register(`backup.${verb}`, {
      steps: steps.map(([name, label]): [string, string] => [name, label]),
      async run({ step }) {
        const name = steps[0][0];
        await step(name, { state: "running" });
        for (const one of await repositories.all()) {
          if (verb === "prune") {
            if (await keeper.prune(one)) continue;
            throw new CodedError({
              code: "backup.busy",
              title: "Backups run just now, or another hub prunes",
              fix: "Try again when they are done.",
              status: 409,
              exit: EX.TEMPFAIL,
            });
          }
          await deps.owners.keep(one);
          await keeper.sweepOne(one, true);
          if ((await repositories.find(one.repository_id))?.repair === 1) await keeper.heal(one, false);
          const problem = await keeper.readBack(one, true);
          if (problem === null) continue;
          const healed = await keeper.heal(one, true);
          if (!healed) await repositories.update(one.repository_id, { repair: 1 });
          throw new CodedError({
            code: "backup.data-damaged",
            title: `Data of the repository ${one.repository_id} does not read back`,
            why: problem,
            fix: healed
              ? "What is damaged was put aside, and backups that lack it say so. Look at the disk; the next backups bring back what projects still have."
              : "Look at the disk. What is damaged is put aside as soon as no backup runs.",
            exit: EX.DATAERR,
          });
        }
        await step(name, { state: "done" });
      },
    });
    api.post(`/backups/${verb}`, doc(`${verb} the repositories (admin)`, operationSchema, 202), async (c) =>
      c.json(
        await operations.start(admin(c), `backup.${verb}`, { kind: "hub", id: "backups", name: "backups" }),
        202,
      ),
    );
  }
  api.get(
    "/backups/recovery-sheet",
    doc("What opens the repositories, to be printed (admin)", z.string()),
    async (c) => {
      const caller = admin(c);
      await core.audit.write(caller.name, "backup.recovery-sheet", "hub", {});
      return c.text(await recoverySheet(core, repositories), 200, { "cache-control": "no-store" });
    },
  );
  api.post(
    "/backups/take-over",
    doc(
      "Makes this hub the one that keeps its repositories, where another has come to them (admin)",
      z.object({}),
    ),
    async (c) => {
      const caller = admin(c);
      await core.audit.write(caller.name, "backup.take-over", "hub", {});
      // What the other made is looked for, as after a recovery.
      lookFor(core.paths);
      for (const one of await repositories.all()) await deps.owners.takeOver(one);
      return c.json({});
    },
  );
  api.post("/backups/hub", doc("Backs the hub itself up now (admin)", z.object({})), async (c) => {
    admin(c);
    await deps.hubBackup.run();
    return c.json({});
  });
  api.get("/backups/bundle", doc("This hub's own state, encrypted (admin)", z.string()), async (c) => {
    const caller = admin(c);
    await core.audit.write(caller.name, "backup.bundle", "hub", {});
    const bundle = await makeBundle(core.paths, core.master);
    return new Response(new Uint8Array(bundle), {
      headers: {
        "content-type": "application/octet-stream",
        "content-disposition": `attachment; filename="cocalc-hub-${new Date().toISOString().slice(0, 10)}.bundle"`,
        "cache-control": "no-store",
      },
    });
  });
  api.put(
    "/backups/target",
    doc("Where new repositories are made (admin)", z.object({ kind: z.string() })),
    body(backupTargetSchema),
    async (c) => {
      const caller = admin(c);
      const target = c.req.valid("json");
      await repositories.setTarget(target);
      await core.audit.write(caller.name, "backup.target", "hub", { kind: target.kind });
      return c.json({ kind: target.kind });
    },
  );
}
