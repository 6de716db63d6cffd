/**
 * What a disk lost cannot be made good by a backup that takes it for there. So damaged packs are put aside, the index is
 * made anew from what is left, backups that lack something say so, and the next ones read everything again: data that
 * still exists in its project comes back, and with it the older backups that share it.
 */
import { mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { s3Store } from "../../contract/s3-store.ts";
import { logger } from "../../core/log.ts";
import type { HubCore } from "../core.ts";
import type { Gate } from "./gate.ts";
import { sha256OfFile } from "./look.ts";
import type { Owners } from "./owner.ts";
import type { OpenRepository, Repositories } from "./repositories.ts";
import type { BackupStore } from "./store.ts";
import { S3_QUARANTINE } from "./sweep-s3.ts";

const log = logger("backups");
export const DATA_LOST = "backup.data-lost";

export function createHealer(
  core: HubCore,
  deps: { repositories: Repositories; store: BackupStore; gate: Gate; owners: Owners },
) {
  const { repositories, store, gate, owners } = deps;

  /**
   * Names of packs whose content is not what their name says. A bucket's are fetched one at a time for it: damage was
   * found already, and which pack has it is in no answer of rustic's.
   */
  async function damagedPacks(one: OpenRepository): Promise<string[]> {
    const bad: string[] = [];
    if (one.where.kind === "s3") {
      const bucket = s3Store(one.where);
      for (const { name } of await bucket.list("data")) {
        // Servers of the kind that keep files show folders as empty objects.
        if (name.endsWith("/")) continue;
        if ((await bucket.sha256(name)) !== basename(name)) bad.push(name);
      }
      return bad;
    }
    for (const two of readdirSync(join(one.location, "data"))) {
      const folder = join(one.location, "data", two);
      if (!statSync(folder).isDirectory()) continue;
      for (const name of readdirSync(folder))
        if ((await sha256OfFile(join(folder, name))) !== name) bad.push(`data/${two}/${name}`);
    }
    return bad;
  }

  /** Where rustic does not look, and a person can. */
  async function putAside(one: OpenRepository, name: string): Promise<void> {
    const to = `${name.replaceAll("/", "-")}.${Date.now()}`;
    if (one.where.kind === "s3") {
      await s3Store(one.where).putAside(name, `${S3_QUARANTINE}/${to}`);
      return;
    }
    const aside = join(one.location, "..", `${one.repository_id}.quarantine`);
    mkdirSync(aside, { recursive: true, mode: 0o700 });
    renameSync(join(one.location, name), join(aside, to));
  }

  /** Backups that rely on something that is not there any more: they are called partial, with the reason. */
  async function mark(one: OpenRepository): Promise<number> {
    let lost = 0;
    const checked = new Map<string, boolean>();
    for (const row of await store.present()) {
      if (row.repository_id !== one.repository_id || row.snapshot_id === null) continue;
      if (row.state !== "proven" && row.state !== "partial") continue;
      const whole =
        checked.get(row.snapshot_id) ??
        (await repositories.rustic(one, ["check", row.snapshot_id])).code === 0;
      checked.set(row.snapshot_id, whole);
      if (whole) continue;
      lost += 1;
      const title = "Part of this backup's data was damaged in the repository, and is gone";
      await store.finish(row.backup_id, {
        state: "partial",
        finished_at: row.finished_at,
        left_out: JSON.stringify([title]),
        problem: JSON.stringify({
          code: DATA_LOST,
          title,
          why: "The disk gave back other bytes than were written.",
          fix: "Folders outside of the damage can be restored. The next backup reads everything again.",
        }),
      });
    }
    return lost;
  }

  return {
    /**
     * `packs`: all data is hashed; without it the index alone is made anew. False where backups run just now, or
     * another hub works on it: the next round tries again.
     */
    async heal(one: OpenRepository, packs: boolean): Promise<boolean> {
      const done = await gate.prune(one.repository_id, async () => {
        await owners.renew(one);
        const bad = packs ? await damagedPacks(one) : [];
        for (const name of bad) {
          await putAside(one, name);
          await core.audit.write("hub", "backup.quarantine", "hub", {
            name,
            repository_id: one.repository_id,
          });
          await core.db
            .insertInto("backup_files")
            .values({
              repository_id: one.repository_id,
              name: `quarantine/${name}`,
              problem: "its content is not what its name says",
              seen_at: new Date().toISOString(),
            })
            .onConflict((c) => c.columns(["repository_id", "name"]).doNothing())
            .execute();
        }
        await repositories.rusticOk(one, ["repair", "index"]);
        const fine = { repair: 0, read_back_problem: null };
        if ((await repositories.rustic(one, ["check"])).code === 0) {
          await repositories.update(one.repository_id, fine);
          return true;
        }
        await repositories.update(one.repository_id, { ...fine, damaged_at: new Date().toISOString() });
        const lost = await mark(one);
        log.warn("a repository was damaged and is usable again", {
          repository: one.location,
          packs_put_aside: bad.length,
          backups_that_lack_something: lost,
        });
        return true;
      });
      return done === true;
    },
  };
}
export type Healer = ReturnType<typeof createHealer>;
