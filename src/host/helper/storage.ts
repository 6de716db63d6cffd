/** The helper's answers about storage: each project's snapshots and quota are changed one after another. */
import { CodedError, messageOf } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import { type PoolPlaces, readPoolRecord } from "../storage/pool-record.ts";
import { deviceErrors, lastScrub, scrub, scrubDue } from "../storage/scrub.ts";
import { type Storage, unknownProject } from "../storage/storage.ts";
import type { HelperHandlers } from "./server.ts";
import type { Turns } from "./turns.ts";
import type { storageVerbs } from "./verbs/storage.ts";

const log = logger("storage");

export function storageHandlers(options: {
  storage: Storage;
  places: PoolPlaces;
  turns: Turns;
  isRunning: (project_id: string) => boolean;
  /** A job reads it just now. */
  isRead: (project_id: string, name: string) => boolean;
}): Pick<HelperHandlers, keyof typeof storageVerbs> {
  const { storage, places, turns } = options;
  let scrubbing = false;
  /** The same turn as start, stop and remove have: no snapshot of what is being taken away. */
  const turn = <T>(id: string, run: () => T | Promise<T>) =>
    turns.take(id, () => {
      if (!storage.has(id)) throw unknownProject(id);
      return run();
    });
  return {
    "storage.facts": () => storage.facts(),
    "storage.space": ({ project_id }) => {
      if (!storage.has(project_id)) throw unknownProject(project_id);
      const { data, snapshots } = storage.space(project_id);
      const pool = snapshots !== undefined;
      return { kind: pool ? "btrfs" : "directory", data, snapshots: pool };
    },
    "storage.projects": () => ({ project_ids: storage.ids() }),
    "storage.health": async () => {
      if (storage.kind === "directory") return { scrub: null, device_errors: null };
      return { scrub: lastScrub(places) ?? null, device_errors: await deviceErrors(places) };
    },
    "storage.scrub-due": () => {
      const record = readPoolRecord(places);
      if (record === undefined || scrubbing || !scrubDue(places, record.created_at, Date.now()))
        return { started: false };
      scrubbing = true;
      void scrub(places)
        .then((result) => log[result.errors > 0 ? "error" : "info"]("the pool was scrubbed", { ...result }))
        .catch((error: unknown) => log.error("the pool could not be scrubbed", { why: messageOf(error) }))
        .finally(() => {
          scrubbing = false;
        });
      return { started: true };
    },
    // No turn: counting may take long, and reads only.
    "storage.usage": ({ project_id }) => storage.usage(project_id),
    "storage.set-quota": ({ project_id, bytes }) =>
      turn(project_id, async () => {
        await storage.setQuota(project_id, bytes);
        return {};
      }),
    "snapshot.create": ({ project_id, kind, only_if_changed }) =>
      turn(project_id, async () => ({
        snapshot: (await storage.snapshot(project_id, kind, only_if_changed)) ?? null,
      })),
    "snapshot.restore": ({ project_id, name }) =>
      turn(project_id, async () => {
        if (options.isRunning(project_id)) {
          throw new CodedError({
            code: "project.running",
            title: "The project runs",
            fix: "Stop it first.",
            status: 409,
          });
        }
        await storage.restore(project_id, name);
        return {};
      }),
    "snapshot.list": ({ project_id }) =>
      turn(project_id, () => ({ snapshots: storage.snapshots(project_id) })),
    "snapshot.remove": ({ project_id, name }) =>
      turn(project_id, async () => ({
        // However old it is by a clock that jumped.
        removed: !options.isRead(project_id, name) && (await storage.removeSnapshot(project_id, name)),
      })),
  };
}
