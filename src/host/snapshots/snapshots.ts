/**
 * Snapshots of this host's projects: taken by schedule and when asked for, and put back. The helper makes and removes
 * them; what is read in one, and single files that are put back, go through the project's agent with the project's own
 * rights, so that nothing of the host follows a path that a project made.
 */

import { callProject } from "../../contract/project-client.ts";
import type { Snapshot } from "../../contract/storage.ts";
import { CodedError, messageOf } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import type { HostCore } from "../core.ts";
import { SNAPSHOT_EVERY_MS } from "./retention.ts";
import { runSchedule } from "./schedule.ts";

const log = logger("snapshots");
/** How often it is looked whose turn it is. */
const LOOK_MS = 30_000;
const SCRUB_LOOK_MS = 3_600_000;
const FILES_PAGE = 500;

const plain = ({ name, kind, left_out }: Snapshot): Snapshot => ({ name, kind, left_out });

export function createSnapshots(host: HostCore) {
  const { helper, manager, router } = host;
  /** When each project was last looked at, by the clock that nobody sets. */
  const looked = new Map<string, number>();
  let timer: ReturnType<typeof setInterval> | undefined;
  let scrubTimer: ReturnType<typeof setInterval> | undefined;
  let busy = false;

  const create = async (project_id: string, kind: "manual" | "safety") => {
    const { snapshot } = await helper.call("snapshot.create", { project_id, kind, only_if_changed: false });
    if (snapshot === null) throw new Error("a snapshot that is wanted in any case is made");
    return plain(snapshot);
  };

  /** Of all whose turn it is; how many were looked at. Called twice at once it does the second time nothing. */
  async function due(now = Date.now()): Promise<number> {
    if (busy) return 0;
    busy = true;
    try {
      const { looked: count } = await runSchedule(helper, now, {
        whose(project_id) {
          const since = performance.now() - (looked.get(project_id) ?? -SNAPSHOT_EVERY_MS);
          if (since < SNAPSHOT_EVERY_MS) return false;
          looked.set(project_id, performance.now());
          return true;
        },
      });
      return count;
    } finally {
      busy = false;
    }
  }

  const agent = (project_id: string) => {
    manager.assertRunning(project_id);
    return router.server(`project.${project_id}.snapshots`);
  };

  return {
    feature: {
      async start() {
        if (host.plain) return;
        timer = setInterval(
          () => void due().catch((error: unknown) => log.warn("no snapshots now", { why: messageOf(error) })),
          LOOK_MS,
        );
        const scrub = () =>
          void helper
            .call("storage.scrub-due", {})
            .catch((error: unknown) => log.warn("no scrub now", { why: messageOf(error) }));
        scrubTimer = setInterval(scrub, SCRUB_LOOK_MS);
      },
      close() {
        clearInterval(timer);
        clearInterval(scrubTimer);
      },
    },
    due,
    handlers: {
      "snapshots.list": async ({ project_id }: { project_id: string }) => {
        if (host.plain)
          return { supported: false, why: "Plain processes have no snapshots.", snapshots: [], usage: null };
        const facts = await helper.call("storage.facts", {});
        let supported: boolean;
        try {
          supported = (await helper.call("storage.space", { project_id })).snapshots;
        } catch (error) {
          // Never started: it has nothing yet, and will be where new ones are made.
          if (!(error instanceof CodedError) || error.code !== "storage.unknown-project") throw error;
          return { supported: facts.snapshots, why: facts.note, snapshots: [], usage: null };
        }
        const usage = await helper.call("storage.usage", { project_id });
        const why = facts.snapshots
          ? "This project is from before this host had a pool; it is in a plain directory, without quota and snapshots."
          : facts.note;
        if (!supported) return { supported, why, snapshots: [], usage };
        const { snapshots } = await helper.call("snapshot.list", { project_id });
        return { supported, why: null, snapshots: snapshots.map(plain).reverse(), usage };
      },
      "snapshots.create": ({ project_id }: { project_id: string }) => create(project_id, "manual"),
      "snapshots.remove": (one: { project_id: string; name: string }) => helper.call("snapshot.remove", one),
      "snapshots.files": async (one: { project_id: string; name: string; path: string; offset: number }) => {
        const { path, entries, total } = await callProject(
          agent(one.project_id),
          one.project_id,
          "files.list",
          {
            path: `~/.snapshots/${one.name}/${one.path}`,
            offset: one.offset,
            limit: FILES_PAGE,
            order: "folders",
          },
        );
        return { path, entries, total };
      },
      "snapshots.changes": ({ project_id, name, path }: { project_id: string; name: string; path: string }) =>
        callProject(agent(project_id), project_id, "snapshots.changes", { snapshot: name, path }),
      "snapshots.restore": async (one: { project_id: string; name: string; paths: string[] | null }) => {
        const { project_id, name, paths } = one;
        if (paths !== null) {
          const peer = agent(project_id);
          const { name: safety } = await create(project_id, "safety");
          await callProject(peer, project_id, "snapshots.restore", { snapshot: name, paths });
          return { safety };
        }
        await manager.whileStopped(project_id, () => helper.call("snapshot.restore", { project_id, name }));
        const { snapshots } = await helper.call("snapshot.list", { project_id });
        return { safety: snapshots.findLast(({ kind }) => kind === "safety")?.name ?? null };
      },
    },
  };
}
