/**
 * Projects of this host: what is intended is on disk, what is true is the agent's socket and pid, and reconciling
 * makes the one the other.
 */
import type { Peer } from "../../conat/peer.ts";
import type { Router } from "../../conat/router.ts";
import type { ProjectSpec, ProjectStatus } from "../../contract/host-control.ts";
import { CodedError, messageOf, type ProblemDetails, toProblem } from "../../core/errors.ts";
import { randomToken } from "../../core/ids.ts";
import { logger } from "../../core/log.ts";
import type { Helper } from "../helper/client.ts";
import { systemChanged } from "../images/system-changed.ts";
import type { Agents } from "../proxy/host-http.ts";
import { attachAgent, detachAgent, peerOf, socketOf, streamOf } from "./agent-link.ts";
import { projectAgents } from "./agents.ts";
import { type Entry, newEntry } from "./entry.ts";
import type { ProjectRecords } from "./record.ts";
import { countDeath, keepsDying, MAX_DEATHS, retryStart } from "./retries.ts";
import { StartQueue } from "./start-queue.ts";

const log = logger("projects");
const AGENT_TIMEOUT_MS = 30_000;
const RECONCILE_MS = 2_000;

export interface ManagerDeps {
  records: ProjectRecords;
  helper: Helper;
  router: Router<unknown>;
  /** Digest of an image by name; makes sure it is unpacked here. */
  image(name: string, digest: string | null): Promise<string>;
  onStatus(status: ProjectStatus): void;
  /** Whether this machine has memory for one more. */
  room(): boolean;
}

export class ProjectManager {
  readonly #deps: ManagerDeps;
  readonly #entries = new Map<string, Entry>();
  readonly #starts: StartQueue;
  #timer: ReturnType<typeof setInterval> | undefined;
  #closed = false;

  constructor(deps: ManagerDeps) {
    this.#deps = deps;
    this.#starts = new StartQueue({
      room: deps.room,
      tell: (entry, change) => this.#tell(entry, change),
      start: async (entry) => {
        await this.#run(entry, () => this.#startNow(entry));
        const retry = entry.status.state === "failed" && retryStart(entry);
        if (retry) this.#tell(entry, retry);
      },
    });
  }

  /** Reads what was intended and takes over what runs. */
  async open(): Promise<void> {
    for (const record of this.#deps.records.load())
      this.#entries.set(record.spec.project_id, newEntry(record));
    await this.#reconcile();
    this.#timer = setInterval(() => void this.#reconcile(), RECONCILE_MS);
  }

  /** Projects live on; nothing is started any more. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#starts.close();
  }

  statuses(): ProjectStatus[] {
    return [...this.#entries.values()].map((entry) => entry.status);
  }

  counts(): { running: number; queued: number; total: number } {
    const all = this.statuses();
    return {
      running: all.filter((one) => one.state === "running").length,
      queued: all.filter((one) => one.state === "queued").length,
      total: all.length,
    };
  }

  #tell(entry: Entry, change: Partial<ProjectStatus>): ProjectStatus {
    const moved = change.state !== undefined && change.state !== entry.status.state;
    entry.status = {
      ...entry.status,
      ...change,
      ...(moved ? { state_since: new Date().toISOString() } : {}),
    };
    this.#deps.onStatus(entry.status);
    return entry.status;
  }

  /** What changed and can be taken up at once is: the disk limit. A project that has no files yet gets it at its start. */
  async create(spec: ProjectSpec): Promise<ProjectStatus> {
    const entry = this.#take(spec);
    const { limits, project_id } = entry.record.spec;
    await this.#deps.helper
      .call("storage.set-quota", { project_id, bytes: limits.disk_bytes ?? null })
      .catch((error: unknown) => {
        if (!(error instanceof CodedError && error.code === "storage.unknown-project")) throw error;
      });
    return entry.status;
  }

  #take(spec: ProjectSpec): Entry {
    let entry = this.#entries.get(spec.project_id);
    if (!entry) {
      entry = newEntry({ spec, desired: "stopped", digest: null, token: null });
      this.#entries.set(spec.project_id, entry);
    }
    // A command that was delivered late does not undo a newer one.
    if (spec.generation >= entry.record.spec.generation) entry.record.spec = spec;
    entry.status = { ...entry.status, generation: entry.record.spec.generation };
    this.#deps.records.save(entry.record);
    return entry;
  }

  start(spec: ProjectSpec): ProjectStatus {
    const entry = this.#take(spec);
    entry.record.desired = "running";
    entry.deaths = 0;
    entry.asked = true;
    this.#deps.records.save(entry.record);
    if (entry.status.state !== "running") this.#queueStart(entry);
    return entry.status;
  }

  /** `why`: shown with it, when nobody asked for the stop. */
  async stop(projectId: string, why: ProblemDetails | null = null): Promise<ProjectStatus> {
    const entry = this.#known(projectId);
    entry.record.desired = "stopped";
    this.#deps.records.save(entry.record);
    await entry.busy;
    await this.#run(entry, async () => {
      this.#tell(entry, { state: "stopping", phase: null, problem: null, queue_place: null });
      detachAgent(entry);
      await this.#deps.helper.call("project.stop", { project_id: projectId });
      this.#tell(entry, { state: "stopped", problem: why });
    });
    return entry.status;
  }

  /** For what needs its files still: stopped, and started again afterwards if it was to run. */
  async whileStopped<T>(projectId: string, work: () => Promise<T>): Promise<T> {
    const entry = this.#entries.get(projectId);
    if (entry === undefined || entry.record.desired === "stopped") {
      await entry?.busy;
      return await work();
    }
    await this.stop(projectId);
    try {
      return await work();
    } finally {
      this.start(entry.record.spec);
    }
  }

  /** Error: `project.not-running`. */
  assertRunning(projectId: string): void {
    this.#running(projectId);
  }

  async remove(projectId: string): Promise<boolean> {
    const entry = this.#entries.get(projectId);
    if (entry) {
      entry.record.desired = "stopped";
      await entry.busy;
      detachAgent(entry);
    }
    const { removed } = await this.#deps.helper.call("project.remove", { project_id: projectId });
    this.#deps.records.remove(projectId);
    this.#entries.delete(projectId);
    return removed;
  }

  async logs(projectId: string): Promise<string[]> {
    this.#known(projectId);
    return (await this.#deps.helper.call("project.logs", { project_id: projectId })).lines;
  }

  #known(projectId: string): Entry {
    const entry = this.#entries.get(projectId);
    if (entry) return entry;
    throw new CodedError({ code: "project.unknown", title: "That project is not on this host", status: 404 });
  }

  /** For the proxy: byte streams into running projects. */
  readonly agents: Agents = projectAgents({
    known: (projectId) => this.#entries.has(projectId),
    dial: async (projectId, purpose) => await streamOf(this.#running(projectId), purpose),
    peer: (projectId) => this.#peer(projectId),
    usage: (projectId) => this.#deps.helper.call("storage.usage", { project_id: projectId }),
  });

  /** Images that projects of this host have below their own changes. */
  digests(): string[] {
    return [...this.#entries.values()].flatMap(({ record }) => record.digest ?? []);
  }

  isRunning(projectId: string): boolean {
    const entry = this.#entries.get(projectId);
    return entry?.status.state === "running" && entry.peer !== undefined;
  }
  spec(projectId: string): ProjectSpec | undefined {
    return this.#entries.get(projectId)?.record.spec;
  }
  /** Byte streams into it that are open now. */
  connections(projectId: string): number {
    return this.#entries.get(projectId)?.connections ?? 0;
  }
  /** Shown with a running project; null takes it back. */
  notice(projectId: string, problem: ProblemDetails | null): void {
    const entry = this.#entries.get(projectId);
    if (entry?.status.state === "running") this.#tell(entry, { problem });
  }

  #peer(projectId: string): Peer {
    const { peer } = this.#running(projectId);
    if (peer) return peer;
    throw new CodedError({
      code: "agent.unreachable",
      title: "The project's agent does not answer",
      fix: "Reload in a moment: it is connected to again by itself.",
      status: 503,
    });
  }

  status(projectId: string): ProjectStatus | undefined {
    return this.#entries.get(projectId)?.status;
  }

  name(projectId: string): string {
    return this.#entries.get(projectId)?.record.spec.name ?? "";
  }

  /** Starts it as it was last told. */
  wake(projectId: string): ProjectStatus {
    return this.start(this.#known(projectId).record.spec);
  }

  /** For a part that holds connections of its own to an agent; closes with the project. */
  async dial(projectId: string): Promise<Peer> {
    return await peerOf(this.#running(projectId));
  }

  /** For another process that does the same; undefined while it does not run. */
  agentWay(projectId: string): { socket: string; token: string } | undefined {
    const entry = this.#entries.get(projectId);
    if (entry?.status.state !== "running" || entry.agentDir === undefined) return undefined;
    return { socket: socketOf(entry), token: entry.record.token ?? "" };
  }

  #running(projectId: string): Entry {
    const entry = this.#known(projectId);
    if (entry.status.state === "running" && entry.agentDir !== undefined) return entry;
    throw new CodedError({
      code: "project.not-running",
      title: `The project ${entry.record.spec.name} is ${entry.status.state}`,
      fix: "Open the project and start it.",
      status: 503,
    });
  }

  /** One thing at a time for each project. */
  async #run(entry: Entry, work: () => Promise<void>): Promise<void> {
    const turn = (entry.busy ?? Promise.resolve()).then(work).catch((error: unknown) => {
      const problem = toProblem(error);
      log.warn("a project failed", {
        project_id: entry.record.spec.project_id,
        code: problem.code,
        title: problem.title,
        why: problem.why,
      });
      this.#tell(entry, { state: "failed", phase: null, queue_place: null, problem });
    });
    const mine = turn.finally(() => {
      // Not while another waits for its turn behind this one.
      if (entry.busy === mine) entry.busy = undefined;
    });
    entry.busy = mine;
    await turn;
  }

  #queueStart(entry: Entry): void {
    if (!entry.busy && !this.#starts.has(entry)) this.#starts.add(entry);
  }

  async #startNow(entry: Entry): Promise<void> {
    const { record } = entry;
    const { spec } = record;
    const id = spec.project_id;
    const timings: Record<string, number> = {};
    let at = performance.now();
    const lap = (name: string) => {
      timings[name] = Math.round(performance.now() - at);
      at = performance.now();
    };
    this.#tell(entry, { state: "starting", phase: "root file system", queue_place: null, problem: null });
    // One that was restored, moved or adopted here stands on what root noted when it was.
    const before =
      record.digest ?? (await this.#deps.helper.call("backup.source", { project_id: id })).digest;
    const digest = await this.#deps.image(spec.image, before);
    lap("image");
    this.#tell(entry, { phase: "container", digest });
    const token = randomToken();
    const params = { project_id: id, digest, token, lan: spec.lan, ...spec.limits };
    let started = await this.#deps.helper.call("project.start", params);
    if (started.adopted && record.token === null) {
      // It runs with a token nobody knows any more: only a new start helps.
      await this.#deps.helper.call("project.stop", { project_id: id });
      started = await this.#deps.helper.call("project.start", params);
    }
    if (!started.adopted) record.token = token;
    record.digest = digest;
    this.#deps.records.save(record);
    lap("container");
    entry.agentDir = started.agent_dir;
    this.#tell(entry, { phase: "agent" });
    await this.#attach(entry, AGENT_TIMEOUT_MS);
    lap("agent");
    for (const [name, took] of Object.entries(started.timings)) timings[`container.${name}`] = took;
    const problem = before === null || before === digest ? null : systemChanged(before, digest, "last start");
    entry.failures = 0;
    entry.asked = false;
    this.#tell(entry, { state: "running", phase: null, timings, problem });
    log.info("project runs", { project_id: id, timings });
  }

  async #attach(entry: Entry, timeoutMs: number): Promise<void> {
    await attachAgent(entry, this.#deps.router, { timeoutMs, lost: () => void this.#reconcile() });
  }

  #reconciling = false;
  async #reconcile(): Promise<void> {
    if (this.#reconciling || this.#closed) return;
    this.#reconciling = true;
    try {
      const needy = [...this.#entries.values()].filter(
        (entry) =>
          entry.record.desired === "running" &&
          !entry.peer &&
          !entry.busy &&
          entry.status.state !== "failed" &&
          entry.notBefore <= performance.now() &&
          !this.#starts.has(entry),
      );
      if (needy.length === 0) return;
      const { running } = await this.#deps.helper.call("project.list", {});
      const alive = new Map(running.map((one) => [one.project_id, one.agent_dir]));
      for (const entry of needy) this.#mend(entry, alive.get(entry.record.spec.project_id));
    } catch (error) {
      // The helper is being restarted: asked again in a moment.
      log.warn("cannot reconcile now", { why: messageOf(error) });
    } finally {
      this.#reconciling = false;
    }
  }

  #mend(entry: Entry, agentDir: string | undefined): void {
    if (agentDir !== undefined && entry.record.token !== null) {
      // It lives: the daemon is new, or the connection broke.
      entry.agentDir = agentDir;
      void this.#run(entry, async () => {
        try {
          await this.#attach(entry, 3_000);
          this.#tell(entry, { state: "running", phase: null, problem: null });
          log.info("project adopted", { project_id: entry.record.spec.project_id });
        } catch (error) {
          log.warn("its agent does not answer; starting it anew", { why: messageOf(error) });
          await this.#deps.helper.call("project.kill", { project_id: entry.record.spec.project_id });
        }
      });
      return;
    }
    if (entry.status.state === "running") {
      countDeath(entry);
      log.warn("a project's processes ended by themselves", {
        project_id: entry.record.spec.project_id,
        deaths: entry.deaths,
      });
    }
    if (entry.deaths >= MAX_DEATHS) {
      void this.logs(entry.record.spec.project_id)
        .catch(() => [])
        .then((lines) => this.#tell(entry, { state: "failed", problem: keepsDying(lines) }));
      return;
    }
    this.#queueStart(entry);
  }
}
