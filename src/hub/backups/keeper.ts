/** What keeps repositories in order without anybody asking: forgetting, pruning, sweeping, reading back. */

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { whatItSaid } from "../../contract/repository-causes.ts";
import { s3Store } from "../../contract/s3-store.ts";
import { messageOf } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import type { HubCore } from "../core.ts";
import { isLongAgo } from "./due.ts";
import type { Gate } from "./gate.ts";
import { createHealer } from "./heal.ts";
import type { Owners } from "./owner.ts";
import type { OpenRepository, Repositories } from "./repositories.ts";
import { parsePolicy, toForget } from "./retention.ts";
import { dropBallast, keepBallast, roomOf } from "./space.ts";
import type { BackupStore } from "./store.ts";
import { FOLDERS, sweep } from "./sweep.ts";
import { sweepS3 } from "./sweep-s3.ts";

const log = logger("backups");
const DAY_MS = 86_400_000;
const PRUNE_EVERY_MS = DAY_MS;
const READ_BACK_EVERY_MS = 7 * DAY_MS;
const READ_BACK_PARTS = 7;
/** A snapshot that no backup names is what an interrupted or hostile host left; a backup that just ends has this long. */
const STRAY_MS = 2 * DAY_MS;
/**
 * A round leaves what is due to the installed machine's timers for so long: it does by itself what no timer did, under
 * `cocalc-hub up` and where somebody turned them off.
 */
const TIMERS_FIRST_MS = 2 * 3_600_000;
const FORGET_AT_ONCE = 100;

/** What is done to a repository now and then; the second reads a seventh of it back. */
export type Chore = "prune" | "verify";
export type Keeper = ReturnType<typeof createKeeper>;

export function createKeeper(
  core: HubCore,
  deps: { repositories: Repositories; store: BackupStore; gate: Gate; owners: Owners },
) {
  const { db, settings, audit, events } = core;
  const { repositories, store, gate, owners } = deps;
  const healer = createHealer(core, deps);
  const quarantine = (one: OpenRepository) => join(one.location, "..", `${one.repository_id}.quarantine`);

  /** Looks through what is new; with `again` also through the small files that were good once. */
  async function sweepOne(one: OpenRepository, again = false): Promise<number> {
    if (one.where.kind === "local" && !existsSync(join(one.location, "data"))) return 0;
    const rows = await db
      .selectFrom("backup_files")
      .select(["name"])
      .where("repository_id", "=", one.repository_id)
      .execute();
    const good = new Set(rows.map((row) => row.name));
    const known = again ? new Set([...good].filter((name) => name.startsWith("data/"))) : good;
    const how = { known, now: Date.now() };
    const result =
      one.where.kind === "s3"
        ? await sweepS3({ store: s3Store(one.where), ...how })
        : await sweep({ location: one.location, quarantine: quarantine(one), ...how });
    const now = new Date().toISOString();
    for (let at = 0; at < result.seen.length; at += FORGET_AT_ONCE) {
      await db
        .insertInto("backup_files")
        .values(
          result.seen
            .slice(at, at + FORGET_AT_ONCE)
            .map(({ name, problem }) => ({ repository_id: one.repository_id, name, problem, seen_at: now })),
        )
        .onConflict((c) => c.columns(["repository_id", "name"]).doNothing())
        .execute();
    }
    for (const finding of result.findings) {
      log.warn("a file of the repository is not what its name says", {
        ...finding,
        repository: one.location,
      });
      if (!finding.quarantined) continue;
      await putAside(one, finding.name);
      await audit.write("hub", "backup.quarantine", "hub", { ...finding, repository_id: one.repository_id });
      await db
        .insertInto("backup_files")
        .values({
          repository_id: one.repository_id,
          name: `quarantine/${finding.name}`,
          problem: finding.problem,
          seen_at: now,
        })
        .onConflict((c) => c.columns(["repository_id", "name"]).doUpdateSet({ seen_at: now }))
        .execute();
    }
    await repositories.update(one.repository_id, { swept_at: now });
    if (result.findings.length > 0) events.changed("settings", "hub");
    return result.seen.length;
  }

  /** Who relied on a file that is gone hears of it; the index, if part of it went, is made anew. */
  async function putAside(one: OpenRepository, name: string): Promise<void> {
    await db
      .deleteFrom("backup_files")
      .where("repository_id", "=", one.repository_id)
      .where("name", "=", name)
      .execute();
    const [folder, id = ""] = name.split("/");
    if (folder === "snapshots") await store.snapshotGone(one.repository_id, id);
    if (folder === "index") await repositories.update(one.repository_id, { repair: 1 });
  }

  /** Takes out of database and repository what the policy does not keep, and snapshots that no backup names. */
  async function forget(one: OpenRepository): Promise<number> {
    const policy = parsePolicy(await settings.get("backup_keep"));
    const all = (await store.present()).filter((row) => row.repository_id === one.repository_id);
    const gone: string[] = [];
    for (const project of new Set(all.map((row) => row.project_id))) {
      gone.push(
        ...toForget(
          all.filter((row) => row.project_id === project),
          policy,
          Date.now(),
        ),
      );
    }
    const going = new Set(gone);
    const kept = new Set(
      all.filter((row) => !going.has(row.backup_id)).flatMap((row) => row.snapshot_id ?? []),
    );
    const unwanted = all
      .filter((row) => going.has(row.backup_id))
      .flatMap((row) => (row.snapshot_id === null || kept.has(row.snapshot_id) ? [] : [row.snapshot_id]));
    unwanted.push(...(await strays(one, new Set([...kept, ...unwanted]))));
    const snapshots = await there(one, unwanted);
    for (let at = 0; at < snapshots.length; at += FORGET_AT_ONCE)
      await repositories.rusticOk(one, ["forget", ...snapshots.slice(at, at + FORGET_AT_ONCE)]);
    await store.forget(gone);
    return snapshots.length;
  }

  async function strays(one: OpenRepository, named: ReadonlySet<string>): Promise<string[]> {
    const old = Date.now() - STRAY_MS;
    const rows = await db
      .selectFrom("backup_files")
      .select("name")
      .where("repository_id", "=", one.repository_id)
      .where("name", "like", "snapshots/%")
      .where("seen_at", "<", new Date(old).toISOString())
      .execute();
    return rows.map((row) => row.name.slice("snapshots/".length)).filter((id) => !named.has(id));
  }

  /** Those of the snapshots that are in the repository. */
  async function there(one: OpenRepository, ids: readonly string[]): Promise<string[]> {
    const found: string[] = [];
    for (const id of ids) if (await repositories.has(one, `snapshots/${id}`)) found.push(id);
    return found;
  }

  /**
   * Two-phase: what nothing needs is marked now and removed by a later prune, a day on. False where backups run or
   * another hub prunes.
   */
  async function prune(one: OpenRepository): Promise<boolean> {
    const done = await gate.prune(one.repository_id, async () => {
      await owners.renew(one);
      if (await dropBallast(one)) log.warn("made room for pruning", { repository: one.location });
      // One bad snapshot stops a prune, and one that went bad after it was seen is looked for here.
      await sweepOne(one, true);
      await forget(one);
      await owners.renew(one);
      await repositories.rusticOk(one, ["prune", "--keep-delete", "23h"]);
      await forgetFiles(one);
      await keepBallast(one);
      return true;
    });
    if (done) await repositories.update(one.repository_id, { pruned_at: new Date().toISOString() });
    return done === true;
  }

  /** Names of files that a prune took away. */
  async function forgetFiles(one: OpenRepository): Promise<void> {
    const rows = await db
      .selectFrom("backup_files")
      .select("name")
      .where("repository_id", "=", one.repository_id)
      .where("name", "not like", "quarantine/%")
      .execute();
    const left = await namesIn(one);
    const gone = rows
      .map((row) => row.name)
      .filter((name) => (left ? !left.has(name) : !existsSync(join(one.location, name))));
    for (let at = 0; at < gone.length; at += FORGET_AT_ONCE)
      await db
        .deleteFrom("backup_files")
        .where("repository_id", "=", one.repository_id)
        .where("name", "in", gone.slice(at, at + FORGET_AT_ONCE))
        .execute();
  }

  /** Of small files, which alone are known of a bucket; undefined where the disk can be asked for each. */
  async function namesIn(one: OpenRepository): Promise<Set<string> | undefined> {
    if (one.where.kind === "local") return undefined;
    const store = s3Store(one.where);
    const lists = await Promise.all(FOLDERS.map((folder) => store.list(folder)));
    return new Set(lists.flat().map((object) => object.name));
  }

  /** Reads the next seventh of the data whole, and says what does not read back. */
  async function readBack(one: OpenRepository, whole = false): Promise<string | null> {
    const part = (one.read_back_part % READ_BACK_PARTS) + 1;
    const result = await repositories.rustic(one, [
      "check",
      "--read-data",
      ...(whole ? [] : ["--read-data-subset", `${part}/${READ_BACK_PARTS}`]),
    ]);
    const problem =
      result.code === 0 ? null : whatItSaid(`${result.log}\n${result.stderr}`, 6) || `status ${result.code}`;
    await repositories.update(one.repository_id, {
      read_back_at: new Date().toISOString(),
      read_back_part: part,
      read_back_problem: problem,
    });
    return problem;
  }

  const isDue = (one: OpenRepository, chore: Chore, grace = 0): boolean => {
    const [last, every] =
      chore === "prune" ? [one.pruned_at, PRUNE_EVERY_MS] : [one.read_back_at, READ_BACK_EVERY_MS];
    return isLongAgo(last ?? one.created_at, every + grace, Date.now());
  };

  /**
   * `work` with each repository as it is now, held by this caller alone; each on its own, so that one that is broken
   * does not stop the others.
   */
  async function eachHeld(work: (one: OpenRepository) => Promise<void>): Promise<void> {
    for (const { repository_id, location } of await repositories.all()) {
      const lease = await core.leases.take(`keeper:${repository_id}`);
      if (lease === undefined) continue;
      try {
        const now = await repositories.find(repository_id);
        if (now) await work(now);
      } catch (error) {
        log.error("a repository could not be kept", { repository: location, why: messageOf(error) });
      } finally {
        await lease.release();
      }
    }
  }

  async function verify(one: OpenRepository): Promise<void> {
    if ((await readBack(one)) !== null) await repositories.update(one.repository_id, { repair: 1 });
  }

  /** One round over all. */
  async function round(): Promise<void> {
    await eachHeld(async (one) => {
      await owners.keep(one);
      await sweepOne(one);
      const now = await repositories.find(one.repository_id);
      if (now?.repair === 1) await healer.heal(now, now.read_back_problem !== null);
      const room = await roomOf(one);
      if (isDue(one, "prune", TIMERS_FIRST_MS) || room?.space === "refuse") await prune(one);
      else await keepBallast(one);
      if (isDue(one, "verify", TIMERS_FIRST_MS)) await verify(one);
    });
  }

  /** What timers asked for and is not done yet. */
  const begun = new Map<Chore, Promise<void>>();
  /** Begins a chore where it is due, for a timer; in how many repositories. A round at the same time finds them held. */
  async function beginDue(chore: Chore): Promise<number> {
    const due = (await repositories.all()).filter((one) => isDue(one, chore));
    if (due.length === 0 || begun.has(chore)) return 0;
    const work = eachHeld(async (one) => {
      if (!isDue(one, chore)) return;
      await owners.keep(one);
      if (chore === "verify") await verify(one);
      else if (!(await prune(one)))
        log.info("pruning waits for backups that run", { repository: one.location });
    });
    begun.set(
      chore,
      work.finally(() => begun.delete(chore)),
    );
    return due.length;
  }

  return {
    round,
    beginDue,
    async settled(): Promise<void> {
      await Promise.allSettled(begun.values());
    },
    sweepOne,
    forget,
    prune,
    readBack,
    heal: healer.heal,
    async quarantined(one: OpenRepository): Promise<number> {
      if (one.where.kind === "local")
        return existsSync(quarantine(one)) ? readdirSync(quarantine(one)).length : 0;
      // As far as the hub knows: a page that is looked at asks no bucket.
      const row = await db
        .selectFrom("backup_files")
        .select((eb) => eb.fn.countAll<number>().as("count"))
        .where("repository_id", "=", one.repository_id)
        .where("name", "like", "quarantine/%")
        .executeTakeFirst();
      return Number(row?.count ?? 0);
    },
  };
}
