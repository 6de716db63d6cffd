/**
 * Leases in the database: what must be done by one at a time is done by whoever holds its lease, in whatever process of
 * whatever hub. One that is not renewed runs out; one whose process is gone from this very machine is void at once, so
 * that a hub that was killed takes its own work up again without waiting.
 *
 * @example
 * const lease = await leases.take("backups due");
 * if (lease) try { await run(lease.signal); } finally { await lease.release(); }
 */
import { randomUUID } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { logger } from "../../core/log.ts";
import type { Db } from "./open.ts";

const log = logger("leases");
export const LEASE_MS = 20_000;
const RENEW_MS = 5_000;

export interface Lease {
  /** Aborted when it could not be renewed: somebody else may have it, so whoever held it stops at its next step. */
  signal: AbortSignal;
  /** Asks the database: whoever lost it, and has not been told yet, must not say how the work ended. */
  held(): Promise<boolean>;
  release(): Promise<void>;
}

export type Leases = ReturnType<typeof createLeases>;

/** Where a process lives, and which it is: pids repeat, and those of another pid namespace cannot be seen. */
function processIdentity(pid: number | "self"): { place: string; process: string } {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  // Field 22 of proc_pid_stat(5): its start, in clock ticks since boot.
  return {
    place: `${boot} ${readlinkSync("/proc/self/ns/pid")}`,
    process: `${stat.split(" ")[0]} ${fields[19]}`,
  };
}

/** Whether the owner's process is known to be gone. Where it cannot be seen from here, it may live. */
export function isGone(owner: string): boolean {
  const { place, process } = JSON.parse(owner) as { place: string; process: string };
  if (place !== processIdentity("self").place) return false;
  try {
    return processIdentity(Number(process.split(" ")[0])).process !== process;
  } catch {
    return true; // no such pid
  }
}

export function createLeases(db: Db, options: { leaseMs?: number; renewMs?: number } = {}) {
  const leaseMs = options.leaseMs ?? LEASE_MS;
  const end = () => new Date(Date.now() + leaseMs).toISOString();

  /** One statement, so that two who ask at once cannot both get it, in SQLite and in PostgreSQL. */
  async function claim(name: string, owner: string): Promise<boolean> {
    const result = await db
      .insertInto("leases")
      .values({ name, owner, until: end() })
      .onConflict((conflict) =>
        conflict
          .column("name")
          .doUpdateSet({ owner, until: end() })
          .where("leases.until", "<", new Date().toISOString()),
      )
      .executeTakeFirst();
    return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
  }

  return {
    /** undefined: somebody else has it. */
    async take(name: string): Promise<Lease | undefined> {
      const owner = JSON.stringify({ ...processIdentity("self"), nonce: randomUUID() });
      if (!(await claim(name, owner))) {
        const held = await db
          .selectFrom("leases")
          .select("owner")
          .where("name", "=", name)
          .executeTakeFirst();
        if (held && !isGone(held.owner)) return undefined;
        if (held)
          await db.deleteFrom("leases").where("name", "=", name).where("owner", "=", held.owner).execute();
        if (!(await claim(name, owner))) return undefined;
      }
      const lost = new AbortController();
      let until = Date.now() + leaseMs;
      const renew = async () => {
        try {
          const result = await db
            .updateTable("leases")
            .set({ until: end() })
            .where("name", "=", name)
            .where("owner", "=", owner)
            .executeTakeFirst();
          if (result.numUpdatedRows === 1n) until = Date.now() + leaseMs;
          else until = 0;
        } catch (error) {
          log.warn("a lease could not be renewed", { name, why: String(error) });
        }
        if (Date.now() < until) return;
        clearInterval(timer);
        log.error("a lease was lost", { name });
        lost.abort();
      };
      const timer = setInterval(() => void renew(), options.renewMs ?? RENEW_MS);
      return {
        signal: lost.signal,
        async held() {
          const row = await db
            .selectFrom("leases")
            .select("owner")
            .where("name", "=", name)
            .executeTakeFirst();
          return row?.owner === owner;
        },
        async release() {
          clearInterval(timer);
          await db.deleteFrom("leases").where("name", "=", name).where("owner", "=", owner).execute();
        },
      };
    },
  };
}
