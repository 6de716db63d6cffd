/** Images as admins and makers of projects see them. The archives themselves are for hosts: see artifacts/. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Hono } from "hono";
import { z } from "zod";
import { type Image, imageSchema, type Pruned, prunedSchema } from "../../contract/api-images.ts";
import { CodedError } from "../../core/errors.ts";
import { assertAdmin, type Caller } from "../accounts/caller.ts";
import { type ApiEnv, callerOf, doc } from "../api/kit.ts";
import { createImages, type ImageManifest } from "../artifacts/images.ts";
import type { HubCore, HubFeature } from "../core.ts";
import { offersSystem, SYSTEM } from "./system.ts";

/** An archive comes to its place before the image that names it. */
const BEING_MADE_MS = 60 * 60_000;

const sourceOf = ({ source }: ImageManifest) =>
  source === undefined ? null : "oci" in source ? source.oci : source.tar;

export function createImageRoutes(core: HubCore): HubFeature {
  const images = createImages(core.paths.images);

  async function counts(column: "image" | "image_digest"): Promise<Map<string, number>> {
    const rows = await core.db
      .selectFrom("projects")
      .select([column, (eb) => eb.fn.countAll<number | string>().as("count")])
      .groupBy(column)
      .execute();
    // pg gives a count as text.
    return new Map(
      rows.map((row) => [(row as Record<string, string | null>)[column] ?? "", Number(row.count)]),
    );
  }

  /** What a restore would take again. */
  async function backedUp(): Promise<Set<string>> {
    const rows = await core.db
      .selectFrom("backups")
      .select("digest")
      .distinct()
      .where("digest", "is not", null)
      .where("forgotten_at", "is", null)
      .execute();
    return new Set(rows.flatMap(({ digest }) => digest ?? []));
  }

  /** In the list once a host offers its own; which do, and why others do not, is for admins. */
  async function system(caller: Caller, projects: number): Promise<Image[]> {
    const all = (await core.hosts.all()).filter(({ state }) => state !== "gone");
    if (projects === 0 && !all.some(offersSystem)) return [];
    const hosts = all.map(({ host_id, name, report }) => ({
      host_id,
      name,
      digest: report?.system_image?.digest ?? null,
      problem: report?.system_image?.problem ?? null,
    }));
    const nothing = { digest: null, bytes: null, created_at: null, source: null, previous: [] };
    return [{ image: SYSTEM, ...nothing, projects, hosts: caller.admin ? hosts : [] }];
  }

  async function list(caller: Caller): Promise<Image[]> {
    const [users, began, kept] = [await counts("image"), await counts("image_digest"), await backedUp()];
    const made = images.list().map((one) => ({
      image: one.image,
      digest: one.digest,
      bytes: one.bytes,
      created_at: one.created,
      source: sourceOf(one),
      projects: users.get(one.image) ?? 0,
      previous: one.previous
        .filter(({ digest }) => images.archive(digest) !== undefined)
        .map(({ digest, bytes, created }) => ({
          digest,
          bytes,
          created_at: created,
          projects: began.get(digest) ?? 0,
          backed_up: kept.has(digest),
        })),
      hosts: null,
    }));
    return [...made, ...(await system(caller, users.get(SYSTEM) ?? 0))];
  }

  /** A project that ran and whose host has not told yet what it began with may need any of them. */
  async function prune(): Promise<Pruned> {
    const rows = await core.db
      .selectFrom("projects")
      .select(["name", "image_digest", "last_used_at", "host_id"])
      .execute();
    const unknown = rows.filter(
      (row) => row.image_digest === null && row.last_used_at !== null && row.host_id !== null,
    );
    if (unknown.length > 0) return { removed: [], unknown: unknown.map(({ name }) => name) };
    const needed = new Set([
      ...images.list().map(({ digest }) => digest),
      ...rows.flatMap((row) => row.image_digest ?? []),
      ...(await backedUp()),
    ]);
    const removed = images
      .archives()
      .filter(({ digest, written }) => !needed.has(digest) && Date.now() - written > BEING_MADE_MS)
      .map(({ digest, bytes }) => ({ digest, bytes }));
    for (const { digest } of removed) rmSync(join(core.paths.images, `${digest}.tar.zst`), { force: true });
    return { removed, unknown: [] };
  }

  return {
    routes(api: Hono<ApiEnv>) {
      api.get("/images", doc("Root file systems that projects can have", z.array(imageSchema)), async (c) => {
        return c.json(await list(callerOf(c)));
      });
      api.post(
        "/images/prune",
        doc("Deletes versions of images that nothing needs any more (admin)", prunedSchema),
        async (c) => {
          const caller = callerOf(c);
          assertAdmin(caller);
          const pruned = await prune();
          if (pruned.removed.length > 0)
            await core.audit.write(caller.name, "image.prune", "images", {
              removed: pruned.removed.map(({ digest }) => digest.slice(0, 12)),
            });
          return c.json(pruned);
        },
      );
      api.delete("/images/:name", doc("No new project gets it (admin)", z.object({})), async (c) => {
        const caller = callerOf(c);
        assertAdmin(caller);
        const name = c.req.param("name");
        if (!images.list().some((one) => one.image === name))
          throw new CodedError({ code: "image.not-found", title: `There is no image ${name}`, status: 404 });
        const users = (await counts("image")).get(name) ?? 0;
        if (users > 0 || name === "base") {
          throw new CodedError({
            code: "image.in-use",
            title: name === "base" ? "The base image stays" : `${users} projects have the image ${name}`,
            why: "They could not be started on another machine, nor restored, without it.",
            fix: name === "base" ? "Make it anew with: cocalc-hub image upgrade base." : "Delete them first.",
            status: 409,
          });
        }
        await core.audit.write(caller.name, "image.remove", name, {});
        const archive = images.named(name);
        const digest = images.list().find((one) => one.image === name)?.digest ?? "";
        rmSync(join(core.paths.images, `${name}.json`));
        const named = images.list().some((one) => one.digest === digest);
        // A deleted project can still be restored from its backups.
        if (archive !== undefined && !named && !(await backedUp()).has(digest))
          rmSync(archive, { force: true });
        return c.json({});
      });
    },
  };
}
