/** Snapshots by schedule: whose turn it is, what is taken and what has grown too old. The helper does each of them. */
import { messageOf } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import type { Helper } from "../helper/client.ts";
import { expired, SNAPSHOT_EVERY_MS } from "./retention.ts";

const log = logger("snapshots");
/** One that is due within this is taken now: the clocks of those who look are not in step. */
const EARLY_MS = 30_000;

export interface Round {
  /** Projects that were looked at. */
  looked: number;
  taken: number;
  removed: number;
  failed: number;
}

/**
 * `whose`: those looked at now. `at_once`: also where the last one is younger than the schedule has it. Called twice at
 * the same time it does no harm: the second finds the first one's snapshot, and nothing changed since.
 */
export async function runSchedule(
  helper: Helper,
  now: number,
  options: { whose?: (project_id: string) => boolean; at_once?: boolean } = {},
): Promise<Round> {
  const round: Round = { looked: 0, taken: 0, removed: 0, failed: 0 };
  if (!(await helper.call("storage.facts", {})).snapshots) return round;
  const { project_ids } = await helper.call("storage.projects", {});
  for (const project_id of project_ids) {
    if (options.whose?.(project_id) === false) continue;
    try {
      // A project from before the pool has none.
      if (!(await helper.call("storage.space", { project_id })).snapshots) continue;
      round.looked += 1;
      await turn(helper, project_id, now, options.at_once === true, round);
    } catch (error) {
      round.failed += 1;
      log.warn("a project's snapshot could not be taken", { project_id, why: messageOf(error) });
    }
  }
  return round;
}

async function turn(
  helper: Helper,
  project_id: string,
  now: number,
  atOnce: boolean,
  round: Round,
): Promise<void> {
  const list = async () => (await helper.call("snapshot.list", { project_id })).snapshots;
  // Taken while the clock was ahead, it says nothing of the last quarter of an hour.
  const last = (await list()).findLast(
    ({ kind, name }) => kind === "schedule" && Date.parse(name) <= now + EARLY_MS,
  );
  if (atOnce || last === undefined || now - Date.parse(last.name) >= SNAPSHOT_EVERY_MS - EARLY_MS) {
    const params = { project_id, kind: "schedule", only_if_changed: true } as const;
    if ((await helper.call("snapshot.create", params)).snapshot !== null) round.taken += 1;
  }
  for (const name of expired(await list(), now)) {
    if ((await helper.call("snapshot.remove", { project_id, name })).removed) round.removed += 1;
  }
}
