/**
 * Which repository a host's reading key opens: one at a time, and only while a job of that host reads there. Where each
 * host has its own, a project that moves is read from another's, which must be closed again as soon as it arrived.
 */
import { CodedError } from "../../core/errors.ts";
import type { HubCore } from "../core.ts";

const WAIT_MS = 300;

export type Lends = ReturnType<typeof createLends>;

export function createLends(core: Pick<HubCore, "db" | "keysChanged">) {
  const open = new Map<string, { repository: string; readers: number }>();

  async function write(hostId: string, repository: string | null): Promise<void> {
    await core.db
      .updateTable("backup_keys")
      .set({ read_repository: repository })
      .where("host_id", "=", hostId)
      .execute();
    await core.keysChanged();
  }

  return {
    /** Runs `work` while the host's key reads this repository; waits while it is lent another. */
    async reading<T>(
      hostId: string,
      repository: string,
      signal: AbortSignal,
      work: () => Promise<T>,
    ): Promise<T> {
      for (;;) {
        const now = open.get(hostId);
        if (now === undefined || now.repository === repository) break;
        if (signal.aborted) throw new CodedError({ code: "operation.cancelled", title: "It was cancelled" });
        await Bun.sleep(WAIT_MS);
      }
      const lend = open.get(hostId) ?? { repository, readers: 0 };
      open.set(hostId, lend);
      lend.readers += 1;
      try {
        return await work();
      } finally {
        lend.readers -= 1;
        if (lend.readers === 0) {
          open.delete(hostId);
          await write(hostId, null);
        }
      }
    },
    /** What this host is lent now. */
    of: (hostId: string): string | null => open.get(hostId)?.repository ?? null,
    /** What a hub that was killed had lent. */
    async closeAll(): Promise<void> {
      await core.db.updateTable("backup_keys").set({ read_repository: null }).execute();
      await core.keysChanged();
    },
  };
}
