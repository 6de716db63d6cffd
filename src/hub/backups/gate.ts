/**
 * Who may work on a repository now. Backups and restores side by side, so many for each host and for the hub; a prune
 * alone, since a backup that begins while it runs could rely on what it is about to remove. In the database, so that
 * it holds between hubs.
 */
import PQueue from "p-queue";
import { CodedError } from "../../core/errors.ts";
import { newId } from "../../core/ids.ts";
import type { Leases } from "../db/leases.ts";
import type { Db } from "../db/open.ts";

const PER_HUB = 8;
const PER_HOST = 2;
const WAIT_MS = 1_000;

export type Gate = ReturnType<typeof createGate>;

export function createGate(db: Db, leases: Leases, options: { waitMs?: number } = {}) {
  const hub = new PQueue({ concurrency: PER_HUB });
  const hosts = new Map<string, PQueue>();
  const hostQueue = (id: string) => {
    const queue = hosts.get(id) ?? new PQueue({ concurrency: PER_HOST });
    hosts.set(id, queue);
    return queue;
  };
  const cancelled = () => new CodedError({ code: "operation.cancelled", title: "It was cancelled" });

  async function live(prefix: string): Promise<number> {
    const rows = await db
      .selectFrom("leases")
      .select("name")
      .where("name", "like", `${prefix}%`)
      .where("until", ">", new Date().toISOString())
      .execute();
    return rows.length;
  }

  async function inTurn<T>(hostId: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    return await hostQueue(hostId).add(() =>
      hub.add(async () => {
        if (signal.aborted) throw cancelled();
        return await work();
      }),
    );
  }

  return {
    /** Waits for its turn and for a prune to end. */
    async backup<T>(
      repository: string,
      hostId: string,
      signal: AbortSignal,
      work: () => Promise<T>,
    ): Promise<T> {
      return await inTurn(hostId, signal, async () => {
        const name = `repository:${repository}:use:${newId()}`;
        for (;;) {
          if (signal.aborted) throw cancelled();
          // Said first, looked after: a prune that begins now sees it.
          const lease = await leases.take(name);
          try {
            if ((await live(`repository:${repository}:prune`)) === 0) return await work();
          } finally {
            await lease?.release();
          }
          await Bun.sleep(options.waitMs ?? WAIT_MS);
        }
      });
    },
    /** Reads alone: a prune, two-phase, takes nothing away that it may need. */
    restore: <T>(_repository: string, hostId: string, signal: AbortSignal, work: () => Promise<T>) =>
      inTurn(hostId, signal, work),
    /** Undefined where another hub prunes, or backups run: it is tried again later. */
    async prune<T>(repository: string, work: () => Promise<T>): Promise<T | undefined> {
      const name = `repository:${repository}:prune`;
      const lease = await leases.take(name);
      if (lease === undefined) return undefined;
      try {
        if ((await live(`repository:${repository}:use:`)) > 0) return undefined;
        return await work();
      } finally {
        await lease.release();
      }
    },
  };
}
