/** Looks at every running project now and then: what it uses, what keeps it awake, and whether it is stopped as idle. */
import { callProject } from "../../contract/project-client.ts";
import type { Usage as DiskUsage } from "../../contract/storage.ts";
import type { ProjectUsage, Usage } from "../../contract/usage.ts";
import { CodedError, messageOf } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import type { HostCore, HostFeature } from "../core.ts";
import { DISK_FULL, judgeDisk } from "./disk-limit.ts";
import { type Activity, awakeBy, type IdleState, judgeIdle } from "./idle.ts";
import { measure } from "./measure.ts";

const log = logger("usage");
const LOOK_MS = 15_000;
/** Its answer to a person who looks is no older than this. */
const FRESH_MS = 1_000;
/** Counting the files of a large project takes seconds. */
const DISK_FRESH_MS = 5_000;
const DISK_CHECK_MS = 60_000;
const ASK_TIMEOUT_MS = 5_000;

interface Watched {
  at: number;
  cpu_ms: number;
  idle: IdleState;
  usage: Usage;
}

const iso = (ms: number | undefined) => (ms === undefined ? null : new Date(ms).toISOString());

/** `logins`: how many are logged in to a project over SSH. */
export function createUsage(host: HostCore, logins: (projectId: string) => number) {
  const { manager } = host;
  const watched = new Map<string, Watched>();
  const counted = new Map<string, { at: number; disk: DiskUsage }>();
  const judged = new Map<string, { at: number; limit: number | null }>();
  let timer: ReturnType<typeof setInterval> | undefined;

  /** What the agent says of terminals; an agent that does not answer keeps its project awake. */
  async function terminals(projectId: string): Promise<Pick<Activity, "viewed" | "programs">> {
    try {
      const peer = host.router.server(`project.${projectId}.activity`);
      return await callProject(peer, projectId, "activity", {}, { timeout: ASK_TIMEOUT_MS });
    } catch (error) {
      return { viewed: 0, programs: [`an agent that does not answer (${messageOf(error)})`.slice(0, 100)] };
    }
  }

  /** Asked for when somebody looks, not in each round: files are counted one by one. */
  async function disk(projectId: string): Promise<DiskUsage | null> {
    if (host.plain) return null;
    const before = counted.get(projectId);
    const limit = manager.spec(projectId)?.limits.disk_bytes ?? null;
    const current = before?.disk.quota_bytes === limit || before?.disk.counted === "none";
    if (before && current && Date.now() - before.at < DISK_FRESH_MS) return before.disk;
    const now = await host.helper.call("storage.usage", { project_id: projectId }).catch((error: unknown) => {
      // Never started here: it has nothing yet.
      if (!(error instanceof CodedError && error.code === "storage.unknown-project"))
        log.warn("the disk could not be counted", { project_id: projectId, why: messageOf(error) });
      return null;
    });
    if (now === null) counted.delete(projectId);
    else counted.set(projectId, { at: Date.now(), disk: now });
    return now;
  }

  /** Also for those that nobody looks at: they would only learn it from a write that fails. */
  async function warnOfFull(projectId: string): Promise<void> {
    const limit = manager.spec(projectId)?.limits.disk_bytes ?? null;
    const before = manager.status(projectId)?.problem ?? null;
    // Something else is said with it.
    if (before !== null && before.code !== DISK_FULL) return;
    const last = judged.get(projectId);
    const early = last?.limit === limit && Date.now() - last.at < DISK_CHECK_MS;
    if (before === null && (limit === null || early)) return;
    judged.set(projectId, { at: Date.now(), limit });
    const now = await disk(projectId);
    const verdict = now === null || limit === null ? null : judgeDisk(now);
    if (verdict?.why !== before?.why) manager.notice(projectId, verdict);
  }

  async function look(projectId: string, pid: number): Promise<Watched> {
    const before = watched.get(projectId);
    const now = Date.now();
    const measured = measure(pid, projectId);
    const passed = before === undefined ? 0 : now - before.at;
    const cpus = passed > 0 ? Math.max(0, measured.cpu_ms - (before?.cpu_ms ?? 0)) / passed : 0;
    const activity: Activity = {
      cpus,
      ...(await terminals(projectId)),
      connections: manager.connections(projectId),
      ssh: logins(projectId),
    };
    const awake_by = awakeBy(activity);
    // The first look knows no CPU time yet: it judges nothing.
    const minutes = manager.spec(projectId)?.idle_minutes ?? 0;
    const verdict = judgeIdle(
      before?.idle ?? { idleSince: undefined, warned: false },
      before === undefined || awake_by.length > 0,
      minutes,
      now,
    );
    const next: Watched = {
      at: now,
      cpu_ms: measured.cpu_ms,
      idle: verdict.state,
      usage: {
        memory_bytes: measured.memory_bytes,
        cpus,
        processes: measured.processes,
        awake_by,
        idle_since: iso(verdict.state.idleSince),
        stops_at: iso(verdict.stopsAt),
      },
    };
    watched.set(projectId, next);
    if (verdict.act !== undefined) await act(projectId, verdict.act, verdict.stopsAt ?? now, minutes);
    return next;
  }

  async function act(
    projectId: string,
    what: "warn" | "unwarn" | "stop",
    stopsAt: number,
    minutes: number,
  ): Promise<void> {
    if (what === "unwarn") {
      manager.notice(projectId, null);
      return;
    }
    const time = new Date(stopsAt).toISOString();
    if (what === "warn") {
      log.info("a project will be stopped as idle", { project_id: projectId, at: time });
      manager.notice(projectId, {
        code: "project.idle-soon",
        title: `It will be stopped at ${time.slice(11, 16)} UTC, because nothing goes on in it`,
        why: `Idle projects are stopped after ${minutes} minutes.`,
        fix: "Type in a terminal, or look at one: it goes on then. Its owner can change the time under Usage.",
      });
      const peer = host.router.server(`project.${projectId}.terminal.notice`);
      await callProject(peer, projectId, "terminal.notice", {
        text: `This project is idle and will be stopped at ${time.slice(11, 16)} UTC. Press a key to keep it running.`,
      }).catch((error: unknown) => log.warn("the terminals were not told", { why: messageOf(error) }));
      return;
    }
    log.info("a project was idle and is stopped", { project_id: projectId });
    watched.delete(projectId);
    await manager.stop(projectId, {
      code: "project.idle",
      title: `It was stopped after ${minutes} idle minutes`,
      why: "Nothing went on in it. Its files are as they were.",
      fix: "Start it again.",
    });
  }

  async function round(): Promise<void> {
    try {
      const { running } = await host.helper.call("project.list", {});
      const alive = new Set(running.map((one) => one.project_id));
      for (const seen of [watched, counted, judged])
        for (const id of seen.keys()) if (!alive.has(id)) seen.delete(id);
      for (const { project_id, pid } of running) {
        if (!manager.isRunning(project_id)) continue;
        await look(project_id, pid);
        await warnOfFull(project_id);
      }
    } catch (error) {
      log.warn("projects could not be looked at", { why: messageOf(error) });
    }
  }

  const feature: HostFeature = {
    async start() {
      timer = setInterval(() => void round(), LOOK_MS);
    },
    close: () => clearInterval(timer),
  };
  return {
    feature,
    handlers: {
      "project.usage": async ({ project_id }: { project_id: string }): Promise<ProjectUsage> => {
        const known = watched.get(project_id);
        if (known && Date.now() - known.at < FRESH_MS)
          return { usage: known.usage, disk: await disk(project_id) };
        const { running } = await host.helper.call("project.list", {});
        const found = running.find((one) => one.project_id === project_id);
        const runs = found !== undefined && manager.isRunning(project_id);
        const [now, used] = await Promise.all([runs ? look(project_id, found.pid) : null, disk(project_id)]);
        return { usage: now?.usage ?? null, disk: used };
      },
    },
  };
}
