/**
 * Hosts on their way out. Drained: nothing new starts there, and what runs is stopped or moved. Deprovisioned: each
 * project is backed up for the last time, then the machine says that it will, and takes itself apart. Forgotten: it
 * never answered, so the hub alone lets go. Either way a tombstone says what became of it and where its projects are.
 */
import { z } from "zod";
import type { Host, Operation } from "../../contract/api.ts";
import {
  type Deprovision,
  type Drain,
  deprovisionSchema,
  drainSchema,
  type LeavingPlan,
  type Tombstone,
  tombstoneSchema,
} from "../../contract/api-leaving.ts";
import { CodedError, EX, toProblem } from "../../core/errors.ts";
import { assertAdmin, type Caller } from "../accounts/caller.ts";
import { leavingRoutes } from "../api/leaving-routes.ts";
import type { HubCore, HubFeature } from "../core.ts";
import { runFor } from "../operations/run-for.ts";
import { assertNotOwnMachine } from "./own-machine.ts";

const LEAVE_TIMEOUT_MS = 60_000;
const input = deprovisionSchema.extend({ by: z.string() });

export type Leavings = ReturnType<typeof createLeavings>;

export function createLeavings(core: HubCore) {
  const { db, hosts, links, operations, audit, events } = core;

  async function projectsOn(hostId: string): Promise<LeavingPlan["projects"]> {
    const rows = await db
      .selectFrom("projects")
      .selectAll()
      .where("host_id", "=", hostId)
      .orderBy("name")
      .execute();
    return await Promise.all(
      rows.map(async ({ project_id, name, state }) => {
        const proven = await db
          .selectFrom("backups")
          .select("started_at")
          .where("project_id", "=", project_id)
          .where("state", "=", "proven")
          .where("forgotten_at", "is", null)
          .orderBy("started_at", "desc")
          .executeTakeFirst();
        return { project_id, name, state, last_proven: proven?.started_at ?? null };
      }),
    );
  }

  async function notLocal(caller: Caller, key: string): Promise<Host> {
    const host = await hosts.get(caller, key);
    assertNotOwnMachine(host);
    return host;
  }

  /** The hub's side: its keys are worth nothing, its link ends, and the tombstone says what was. */
  async function bury(host: Host, stone: Omit<Tombstone, "host_id" | "name" | "gone_at">): Promise<void> {
    const tombstone: Tombstone = {
      host_id: host.host_id,
      name: host.name,
      gone_at: new Date().toISOString(),
      ...stone,
    };
    await hosts.setDesired(host.host_id, "gone");
    await hosts.setState(host.host_id, "gone");
    await db
      .updateTable("hosts")
      .set({ tombstone: JSON.stringify(tombstone) })
      .where("host_id", "=", host.host_id)
      .execute();
    await hosts.revokeKey(host.host_id);
    await core.keysChanged(host.host_id);
    links.close(host.host_id);
    await audit.write(
      stone.by,
      `host.${stone.how === "forgotten" ? "forget" : "deprovision"}`,
      host.host_id,
      {
        name: host.name,
        projects: stone.projects.length,
      },
    );
    events.changed("host", host.host_id);
  }

  async function theHost(id: string): Promise<Host> {
    const host = await hosts.find(id);
    if (host && host.state !== "gone") return host;
    throw new CodedError({ code: "host.gone", title: "It is no host of this hub any more", status: 410 });
  }

  operations.register("host.drain", {
    steps: [
      ["closed", "Nothing new starts there"],
      ["emptied", "What ran there is stopped or elsewhere"],
    ],
    async run(context) {
      const { move } = drainSchema.parse(context.input);
      const host = await theHost(context.subject_id);
      await context.step("closed", { state: "done" });
      await context.step("emptied", { state: "running" });
      const rows = await db.selectFrom("projects").selectAll().where("host_id", "=", host.host_id).execute();
      const busy = rows.filter((row) => move || row.desired_state === "running" || row.state === "running");
      let done = 0;
      for (const row of busy) {
        await context.step("emptied", { state: "running", detail: `${done} of ${busy.length}: ${row.name}` });
        const to = move ? await elsewhere(host) : undefined;
        const { problem } = to
          ? await runFor(operations, context, "project.move", row, {
              host_id: to.host_id,
              from_backup: false,
            })
          : await runFor(operations, context, "project.stop", row, null);
        if (problem) throw new CodedError({ ...problem, title: `${row.name}: ${problem.title}` });
        done += 1;
      }
      await context.step("emptied", {
        state: "done",
        detail: busy.length === 0 ? "nothing ran there" : `${done} ${move ? "moved" : "stopped"}`,
      });
    },
  });

  async function elsewhere(host: Host): Promise<Host> {
    const free = (one: Host) => one.report?.memory.available_bytes ?? 0;
    const [best] = (await hosts.all())
      .filter((one) => one.host_id !== host.host_id && one.state === "ready" && !one.draining)
      .sort((a, b) => free(b) - free(a));
    if (best) return best;
    throw new CodedError({
      code: "project.no-host",
      title: "No other host is ready to take its projects",
      fix: "Add a machine, or drain without moving: running projects are then stopped where they are.",
      status: 409,
      exit: EX.TEMPFAIL,
    });
  }

  operations.register("host.deprovision", {
    steps: [
      ["closed", "Nothing new starts there"],
      ["stopped", "Its projects are stopped"],
      ["backed-up", "Each has a proven final backup"],
      ["acknowledged", "The machine says that it leaves"],
      ["gone", "Its keys are worth nothing; a tombstone says where its projects are"],
    ],
    async run(context) {
      const { keep_data, without_backups, by } = input.parse(context.input);
      const host = await hosts.find(context.subject_id);
      // Taken up again after it had left.
      if (!host || host.state === "gone") return;
      await setDraining(host.host_id, true);
      await context.step("closed", { state: "done" });
      const before = await projectsOn(host.host_id);
      await context.step("stopped", { state: "running" });
      for (const project of before.filter((one) => one.state !== "stopped")) {
        const { problem } = await runFor(operations, context, "project.stop", project, null);
        if (problem) throw new CodedError({ ...problem, title: `${project.name}: ${problem.title}` });
      }
      await context.step("stopped", { state: "done", detail: `${before.length} projects` });
      await context.step("backed-up", { state: "running" });
      const began = new Date().toISOString();
      if (!without_backups) {
        for (const [at, project] of before.entries()) {
          await context.step("backed-up", {
            state: "running",
            detail: `${at + 1} of ${before.length}: ${project.name}`,
          });
          const { problem } = await runFor(operations, context, "project.backup", project, {
            reason: "deprovision",
          });
          const proven = (await projectsOn(host.host_id)).find(
            (one) => one.project_id === project.project_id,
          );
          if (problem === null && (proven?.last_proven ?? "") >= began) continue;
          throw new CodedError({
            code: "host.backup-not-proven",
            title: `${project.name} has no proven final backup: nothing was removed`,
            why:
              problem?.why ?? problem?.title ?? "The backup is partial: something in it could not be read.",
            fix: "See its backups, then deprovision again. To give up what is only on that machine, say so: --without-backups.",
            command: `cocalc-hub backup list ${project.project_id}`,
            exit: EX.DATAERR,
          });
        }
      }
      const projects = await projectsOn(host.host_id);
      await context.step("backed-up", {
        state: without_backups ? "skipped" : "done",
        detail: without_backups ? "as was asked" : `${projects.length} projects`,
      });
      await context.step("acknowledged", { state: "running" });
      await hosts.setState(host.host_id, "deprovisioning");
      try {
        const leaving = await links.request(
          host.host_id,
          "machine.leave",
          { keep_data },
          { timeout: LEAVE_TIMEOUT_MS },
        );
        await context.step("acknowledged", { state: "done", detail: `its own log: ${leaving.log}` });
        await context.step("gone", { state: "running" });
        await bury(host, {
          how: "deprovisioned",
          by,
          removed: leaving.removes,
          kept: leaving.keeps,
          log: leaving.log,
          projects,
        });
        await context.step("gone", { state: "done" });
      } catch (error) {
        await hosts.setState(host.host_id, "offline", toProblem(error));
        throw error;
      }
    },
  });

  async function setDraining(hostId: string, draining: boolean): Promise<void> {
    await db
      .updateTable("hosts")
      .set({ draining: draining ? 1 : 0 })
      .where("host_id", "=", hostId)
      .execute();
    events.changed("host", hostId);
  }

  return {
    async plan(caller: Caller, key: string, keepData: boolean): Promise<LeavingPlan> {
      const host = await notLocal(caller, key);
      const connected = links.isConnected(host.host_id);
      const told = connected
        ? await links.request(host.host_id, "machine.leaving", { keep_data: keepData })
        : { removes: [], keeps: [] };
      return {
        host_id: host.host_id,
        name: host.name,
        connected,
        projects: await projectsOn(host.host_id),
        removes: told.removes,
        keeps: told.keeps,
      };
    },
    async deprovision(caller: Caller, key: string, wanted: Deprovision): Promise<Operation> {
      const host = await notLocal(caller, key);
      if (!links.isConnected(host.host_id)) {
        throw new CodedError({
          code: "host.away",
          title: `${host.name} does not answer`,
          why: "Deprovisioning is its own work: it must hear of it.",
          fix: "Switch it on; or, if it never comes back, forget it, which loses what is only there.",
          command: `cocalc-hub host forget ${host.name}`,
          status: 409,
          exit: EX.UNAVAILABLE,
        });
      }
      await audit.write(caller.name, "host.deprovision-asked", host.host_id, { ...wanted });
      return await operations.start(
        caller,
        "host.deprovision",
        { kind: "host", id: host.host_id, name: host.name },
        { ...wanted, by: caller.name },
      );
    },
    async drain(caller: Caller, key: string, wanted: Drain): Promise<Operation | null> {
      const host = await hosts.get(caller, key);
      await setDraining(host.host_id, wanted.draining);
      await audit.write(caller.name, wanted.draining ? "host.drain" : "host.undrain", host.host_id, {
        ...wanted,
      });
      if (!wanted.draining) return null;
      return await operations.start(
        caller,
        "host.drain",
        { kind: "host", id: host.host_id, name: host.name },
        wanted,
      );
    },
    /** `acceptLoss`: the caller was told what is only there. Errors: `host.has-projects`. */
    async forget(caller: Caller, key: string, acceptLoss: boolean): Promise<Tombstone> {
      const host = await notLocal(caller, key);
      const projects = await projectsOn(host.host_id);
      if (projects.length > 0 && !acceptLoss) {
        const bare = projects.filter((one) => one.last_proven === null);
        throw new CodedError({
          code: "host.has-projects",
          title: `${host.name} still has ${projects.length} project${projects.length === 1 ? "" : "s"}`,
          why: `Forgotten, it cannot come back with its key, and what is only there is lost to this hub: ${
            bare.length === 0
              ? "whatever is newer than the last proven backup of each"
              : `all of ${bare
                  .map((one) => one.name)
                  .slice(0, 5)
                  .join(
                    ", ",
                  )}, of which there is no proven backup, and what is newer than the last one of the others`
          }. Nothing is deleted on the machine itself.`,
          fix: "If it answers, deprovision it: that backs them up first. If it never will, forget it with --accept-loss, then restore each elsewhere.",
          command: `cocalc-hub host forget ${host.name} --accept-loss`,
          status: 409,
          exit: EX.DATAERR,
        });
      }
      await bury(host, { how: "forgotten", by: caller.name, removed: [], kept: [], log: null, projects });
      const [stone] = (await tombstones(caller)).filter((one) => one.host_id === host.host_id);
      return stone as Tombstone;
    },
    tombstones,
  };

  async function tombstones(caller: Caller): Promise<Tombstone[]> {
    assertAdmin(caller);
    const rows = await db
      .selectFrom("hosts")
      .select("tombstone")
      .where("tombstone", "is not", null)
      .execute();
    const stones = rows.map((row) => tombstoneSchema.parse(JSON.parse(row.tombstone ?? "")));
    // Backups go on being made, kept and thinned out; projects are moved away.
    return await Promise.all(
      stones
        .sort((a, b) => b.gone_at.localeCompare(a.gone_at))
        .map(async (stone) => ({ ...stone, projects: await projectsOn(stone.host_id) })),
    );
  }
}

export function createLeaving(core: HubCore): HubFeature {
  const leavings = createLeavings(core);
  return { routes: (api) => leavingRoutes(api, leavings) };
}
