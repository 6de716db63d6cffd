/**
 * Which port of the hub's name is whose: a lease gives one person one origin for one project. Per person, because a
 * browser is a person's: a hundred students with two projects each need two ports, not two hundred. Visitors by link
 * have ports of their own, so that what a browser did as a visitor never meets what it did signed in.
 */
import { CodedError } from "../../core/errors.ts";
import { randomToken } from "../../core/ids.ts";
import { SHARDS } from "../../core/ports.ts";
import type { Db } from "../db/open.ts";

/** The last of them are for visitors by link. */
export const ACCOUNT_SHARDS = 48;
/**
 * A port goes to another project only when nothing of the one before was asked for this long: its cookie has ended by
 * then. What its pages left in the browser is cleared before the first page of the next (see entry.ts).
 */
export const RELEASE_AFTER_MS = 24 * 3_600_000;
/** How often the last use is written down. */
const TOUCH_MS = 10 * 60_000;

export interface Lease {
  /** An account's id, or `visitor:<id>`. */
  holder: string;
  shard: number;
  project_id: string;
  /** Told to the holder's browser alone: who knows it is the one who was given it. */
  lease_id: string;
}

export interface Leases {
  /** The holder's port for this project. Errors: `apps.no-port-free`. */
  take(holder: string, projectId: string): Promise<Lease>;
  find(leaseId: string): Promise<Lease | undefined>;
  /** It is in use now. */
  touch(lease: Lease): void;
}

export function createLeases(
  db: Db,
  options: {
    /** Ports that could be listened on. */
    usable: () => readonly number[];
    now?: () => number;
  },
): Leases {
  const now = options.now ?? Date.now;
  const known = new Map<string, Lease>();
  const touched = new Map<string, number>();

  function portsFor(holder: string): number[] {
    const visitor = holder.startsWith("visitor:");
    return options.usable().filter((shard) => shard < SHARDS && shard >= ACCOUNT_SHARDS === visitor);
  }

  async function take(holder: string, projectId: string): Promise<Lease> {
    return await db.transaction().execute(async (trx) => {
      const held = await trx.selectFrom("app_leases").selectAll().where("holder", "=", holder).execute();
      const usable = portsFor(holder);
      const mine = held.find((row) => row.project_id === projectId && usable.includes(row.shard));
      if (mine) return mine;
      const taken = new Set(held.map((row) => row.shard));
      const free = usable.find((shard) => !taken.has(shard));
      const idleBefore = new Date(now() - RELEASE_AFTER_MS).toISOString();
      const oldest = held
        .filter((row) => usable.includes(row.shard) && row.used_at < idleBefore)
        .sort((a, b) => a.used_at.localeCompare(b.used_at))[0];
      const shard = free ?? oldest?.shard;
      if (shard === undefined) {
        throw new CodedError({
          code: "apps.no-port-free",
          title: "All ports for project pages are in use by other projects of yours",
          why: `Each project you open gets a port of its own; ${usable.length} were used within the last ${RELEASE_AFTER_MS / 3_600_000} hours.`,
          fix: "Wait a day, or ask an admin to set apps_wildcard: then there is no such limit.",
          status: 503,
        });
      }
      await trx
        .deleteFrom("app_leases")
        .where("holder", "=", holder)
        .where((eb) => eb.or([eb("shard", "=", shard), eb("project_id", "=", projectId)]))
        .execute();
      const at = new Date(now()).toISOString();
      const lease = { holder, shard, project_id: projectId, lease_id: randomToken(24) };
      await trx
        .insertInto("app_leases")
        .values({ ...lease, leased_at: at, used_at: at })
        .execute();
      known.clear();
      return lease;
    });
  }

  return {
    take,
    async find(leaseId) {
      const cached = known.get(leaseId);
      if (cached) return cached;
      const row = await db
        .selectFrom("app_leases")
        .select(["holder", "shard", "project_id", "lease_id"])
        .where("lease_id", "=", leaseId)
        .executeTakeFirst();
      if (row) {
        if (known.size > 5_000) known.clear();
        known.set(leaseId, row);
      }
      return row;
    },
    touch(lease) {
      const last = touched.get(lease.lease_id) ?? 0;
      if (now() - last < TOUCH_MS) return;
      if (touched.size > 5_000) touched.clear();
      touched.set(lease.lease_id, now());
      void db
        .updateTable("app_leases")
        .set({ used_at: new Date(now()).toISOString() })
        .where("lease_id", "=", lease.lease_id)
        .execute();
    },
  };
}
