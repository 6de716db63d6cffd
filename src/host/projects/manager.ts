/**
 * Projects of this host: what is intended is on disk, what is true is the agent's socket and pid, and reconciling
 * makes the one the other. Starts run four at a time; the place in line is told.
 */
import { join } from "node:path";
import PQueue from "p-queue";
import type { Peer } from "../../conat/peer.ts";
import type { Router } from "../../conat/router.ts";
import { dialAgent, dialAgentPeer } from "../../contract/agent-dial.ts";
import type { ProjectSpec, ProjectStatus } from "../../contract/host-control.ts";
import { callProject } from "../../contract/project-client.ts";
import { CodedError, messageOf, toProblem } from "../../core/errors.ts";
import { randomToken } from "../../core/ids.ts";
import { logger } from "../../core/log.ts";
import type { Helper } from "../helper/client.ts";
import type { Agents } from "../proxy/host-http.ts";
import type { ProjectRecord, ProjectRecords } from "./record.ts";

const log = logger("projects");
const PARALLEL_STARTS = 4;
const AGENT_TIMEOUT_MS = 30_000;
const AGENT_RETRY_MS = 15;
const RECONCILE_MS = 2_000;
/** Deaths in a row after which a project is failed rather than started again. */
const MAX_DEATHS = 5;
/** A project that ran this long has not died “in a row”. */
const STABLE_MS = 60_000;

interface Entry {
  record: ProjectRecord;
  status: ProjectStatus;
  peer: Peer | undefined;
  agentDir: string | undefined;
  /** A start or stop of it is under way or waits. */
  busy: Promise<void> | undefined;
  deaths: number;
  runningSince: number;
}

export interface ManagerDeps {
  records: ProjectRecords;
  helper: Helper;
  router: Router<unknown>;
  /** Digest of an image by name; makes sure it is unpacked here. */
  image(name: string, digest: string | null): Promise<string>;
  onStatus(status: ProjectStatus): void;
}

export class ProjectManager {
  readonly #deps: ManagerDeps;
  readonly #entries = new Map<string, Entry>();
  readonly #starts = new PQueue({ concurrency: PARALLEL_STARTS });
  #waiting: string[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;
  #closed = false;

  constructor(deps: ManagerDeps) {
    this.#deps = deps;
  }

  /** Reads what was intended and takes over what runs. */
  async open(): Promise<void> {
    for (const record of this.#deps.records.load())
      this.#entries.set(record.spec.project_id, this.#entry(record));
    await this.#reconcile();
    this.#timer = setInterval(() => void this.#reconcile(), RECONCILE_MS);
  }

  /** Projects live on; nothing is started any more. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#starts.clear();
  }

  #entry(record: ProjectRecord): Entry {
    return {
      record,
      status: {
        project_id: record.spec.project_id,
        state: "stopped",
        state_since: new Date().toISOString(),
        phase: null,
        queue_place: null,
        problem: null,
        timings: {},
      },
      peer: undefined,
      agentDir: undefined,
      busy: undefined,
      deaths: 0,
      runningSince: 0,
    };
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

  create(spec: ProjectSpec): ProjectStatus {
    return this.#take(spec).status;
  }

  #take(spec: ProjectSpec): Entry {
    let entry = this.#entries.get(spec.project_id);
    if (!entry) {
      entry = this.#entry({ spec, desired: "stopped", digest: null, token: null });
      this.#entries.set(spec.project_id, entry);
    }
    // A command that was delivered late does not undo a newer one.
    if (spec.generation >= entry.record.spec.generation) entry.record.spec = spec;
    this.#deps.records.save(entry.record);
    return entry;
  }

  start(spec: ProjectSpec): ProjectStatus {
    const entry = this.#take(spec);
    entry.record.desired = "running";
    entry.deaths = 0;
    this.#deps.records.save(entry.record);
    if (entry.status.state !== "running") this.#queueStart(entry);
    return entry.status;
  }

  async stop(projectId: string): Promise<ProjectStatus> {
    const entry = this.#known(projectId);
    entry.record.desired = "stopped";
    this.#deps.records.save(entry.record);
    await entry.busy;
    await this.#run(entry, async () => {
      this.#tell(entry, { state: "stopping", phase: null, problem: null, queue_place: null });
      this.#drop(entry);
      await this.#deps.helper.call("project.stop", { project_id: projectId });
      this.#tell(entry, { state: "stopped" });
    });
    return entry.status;
  }

  async remove(projectId: string): Promise<boolean> {
    const entry = this.#entries.get(projectId);
    if (entry) {
      entry.record.desired = "stopped";
      await entry.busy;
      this.#drop(entry);
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
  readonly agents: Agents = {
    known: (projectId) => this.#entries.has(projectId),
    splice: async (projectId, port) => {
      const entry = this.#running(projectId);
      const { socket, head } = await dialAgent(this.#socket(entry), entry.record.token ?? "", {
        kind: "splice",
        port,
      });
      if (head.length > 0) socket.unshift(head);
      return socket;
    },
    ports: async (projectId) => {
      const entry = this.#running(projectId);
      if (!entry.peer) return [];
      return (await callProject(entry.peer, projectId, "ports", {})).ports;
    },
  };

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

  #socket(entry: Entry): string {
    return join(entry.agentDir ?? "", "agent.sock");
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
    entry.busy = turn.finally(() => {
      entry.busy = undefined;
    });
    await turn;
  }

  #queueStart(entry: Entry): void {
    const id = entry.record.spec.project_id;
    if (entry.busy || this.#waiting.includes(id)) return;
    this.#waiting.push(id);
    this.#tell(entry, {
      state: this.#starts.pending >= PARALLEL_STARTS ? "queued" : "starting",
      phase: null,
      problem: null,
    });
    this.#places();
    void this.#starts.add(async () => {
      this.#waiting = this.#waiting.filter((one) => one !== id);
      this.#places();
      if (entry.record.desired !== "running") return;
      await this.#run(entry, () => this.#startNow(entry));
    });
  }

  #places(): void {
    for (const [index, id] of this.#waiting.entries()) {
      const entry = this.#entries.get(id);
      if (entry?.status.state === "queued") this.#tell(entry, { queue_place: index + 1 });
    }
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
    record.digest = await this.#deps.image(spec.image, record.digest);
    lap("image");
    this.#tell(entry, { phase: "container" });
    const token = randomToken();
    const params = { project_id: id, digest: record.digest, token, lan: spec.lan, ...spec.limits };
    let started = await this.#deps.helper.call("project.start", params);
    if (started.adopted && record.token === null) {
      // It runs with a token nobody knows any more: only a new start helps.
      await this.#deps.helper.call("project.stop", { project_id: id });
      started = await this.#deps.helper.call("project.start", params);
    }
    if (!started.adopted) record.token = token;
    this.#deps.records.save(record);
    lap("container");
    entry.agentDir = started.agent_dir;
    this.#tell(entry, { phase: "agent" });
    await this.#attach(entry, AGENT_TIMEOUT_MS);
    lap("agent");
    for (const [name, took] of Object.entries(started.timings)) timings[`container.${name}`] = took;
    this.#tell(entry, { state: "running", phase: null, timings });
    log.info("project runs", { project_id: id, timings });
  }

  /** The agent answers and its peer serves the project's subjects. */
  async #attach(entry: Entry, timeoutMs: number): Promise<void> {
    const id = entry.record.spec.project_id;
    const end = Date.now() + timeoutMs;
    for (;;) {
      try {
        const peer = await dialAgentPeer(this.#socket(entry), entry.record.token ?? "");
        this.#drop(entry);
        entry.peer = peer;
        entry.runningSince = Date.now();
        this.#deps.router.attach(peer, { allow: [], serve: [`project.${id}.>`], data: { agent: id } });
        peer.onClose(() => {
          if (entry.peer !== peer) return;
          entry.peer = undefined;
          void this.#reconcile();
        });
        return;
      } catch (error) {
        const code = error instanceof CodedError ? error.code : "";
        if (Date.now() > end || code === "agent.bad-token") throw error;
        await Bun.sleep(AGENT_RETRY_MS);
      }
    }
  }

  #drop(entry: Entry): void {
    const { peer } = entry;
    entry.peer = undefined;
    peer?.close();
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
          !this.#waiting.includes(entry.record.spec.project_id),
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
      entry.deaths = Date.now() - entry.runningSince > STABLE_MS ? 1 : entry.deaths + 1;
      log.warn("a project's processes ended by themselves", {
        project_id: entry.record.spec.project_id,
        deaths: entry.deaths,
      });
    }
    if (entry.deaths >= MAX_DEATHS) {
      void this.logs(entry.record.spec.project_id)
        .catch(() => [])
        .then((lines) =>
          this.#tell(entry, {
            state: "failed",
            problem: {
              code: "project.keeps-dying",
              title: `The project ended by itself ${MAX_DEATHS} times in a row`,
              why: lines.slice(-5).join("\n") || "Its log is empty; perhaps it ran out of memory.",
              fix: "Give it more memory, or undo what it starts by itself; then start it again.",
            },
          }),
        );
      return;
    }
    this.#queueStart(entry);
  }
}
