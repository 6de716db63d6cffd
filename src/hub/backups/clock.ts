/**
 * After this hub's clock was ahead: what was begun then is of a time that has not come, and would be the newest until
 * it has. Nobody knows when it was, but what came before it: so it is dated right after that, the oldest that it can
 * be. Ages that are shown are then never too young, and the next backup is made at once.
 */
import { logger } from "../../core/log.ts";
import type { HubCore } from "../core.ts";
import { AHEAD_MS } from "./due.ts";

const log = logger("backups");
/** Of one that nothing came before. */
const UNKNOWN_MS = 86_400_000;

export async function mendTimes({ db }: Pick<HubCore, "db">, now: number): Promise<number> {
  const ahead = new Date(now + AHEAD_MS).toISOString();
  const rows = await db
    .selectFrom("backups")
    .select(["backup_id", "project_id", "finished_at"])
    .where("started_at", ">", ahead)
    .orderBy("started_at")
    .execute();
  const last = new Map<string, number>();
  for (const row of rows) {
    const before = await db
      .selectFrom("backups")
      .select("started_at")
      .where("project_id", "=", row.project_id)
      .where("started_at", "<=", ahead)
      .orderBy("started_at", "desc")
      .executeTakeFirst();
    const known = last.get(row.project_id) ?? Date.parse(before?.started_at ?? "");
    const at = Math.min(now, Number.isNaN(known) ? now - UNKNOWN_MS : known + 1);
    last.set(row.project_id, at);
    const iso = new Date(at).toISOString();
    await db
      .updateTable("backups")
      .set({ started_at: iso, ...(row.finished_at === null ? {} : { finished_at: iso }) })
      .where("backup_id", "=", row.backup_id)
      .execute();
  }
  const iso = new Date(now).toISOString();
  await db.updateTable("backup_drills").set({ started_at: iso }).where("started_at", ">", ahead).execute();
  if (rows.length > 0)
    log.warn("backups of a time that has not come were dated back", { backups: rows.length });
  return rows.length;
}
