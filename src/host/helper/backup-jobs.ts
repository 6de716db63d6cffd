/**
 * Backup jobs as root runs them: the project's files are shown to a jailed process that does the work, its words are
 * kept for whoever asks, and nothing of it is left when it ends. Ids in a repository are the project's own, 0…65535:
 * the view that a job gets maps them, so that a project can be restored on any host.
 */
import { chownSync, existsSync, mkdirSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { JobResult, JobState, Progress } from "../../contract/backup-job.ts";
import { jobResultSchema, progressSchema } from "../../contract/backup-job.ts";
import { problemSchema } from "../../contract/problem.ts";
import { CodedError, EX, messageOf, type ProblemDetails, toProblem } from "../../core/errors.ts";
import { cleanEnv } from "../../core/exec.ts";
import { logger } from "../../core/log.ts";
import { shortId } from "../../core/paths.ts";
import { findRustic } from "../../core/rustic.ts";
import type { JobInput } from "../backups/job/input.ts";
import type { Storage, StoredSnapshot } from "../storage/storage.ts";
import { JAIL_PLACES, type JailPlan, jailArgv } from "./backup-jail.ts";
import { unmountAll } from "./mounts.ts";
import { mountView } from "./native.ts";
import type { HelperProjects } from "./projects.ts";
import type { HelperRoot } from "./root.ts";
import { RANGE } from "./uid-ranges.ts";
import type { HelperRequest } from "./verbs.ts";

const log = logger("helper");
// Times below are of the clock that nobody sets: a machine whose time jumps must not give its jobs up.
/** A job about which nobody asks is nobody's: its daemon died, and the hub begins another. */
const ABANDONED_MS = 60_000;
/** An ended one is remembered so long. */
const REMEMBERED_MS = 15 * 60_000;
const SWEEP_MS = 5_000;
/** Parts of a project that are backed up: what it keeps, and what it changed of its root file system. */
const PARTS = ["home", "upper"] as const;
/** The last range, which no project is given. */
const DRILL_BASE = 2 ** 31 - RANGE;
const RESTORE_CAPS = ["chown", "dac_override", "fowner", "fsetid", "mknod", "setfcap"];

interface Job {
  project_id: string;
  proc: Bun.Subprocess | undefined;
  progress: Progress | null;
  result: JobResult | null;
  problem: ProblemDetails | null;
  ended: number | undefined;
  asked: number;
  done: Promise<void>;
}

export class BackupJobs {
  readonly #jobs = new Map<string, Job>();
  /** Snapshots that jobs read: `<project>/<name>`. */
  readonly #read = new Set<string>();
  readonly #timer: ReturnType<typeof setInterval>;

  readonly root: HelperRoot;
  readonly storage: Storage;
  readonly binary: string;
  readonly projects: () => HelperProjects;

  constructor(parts: {
    root: HelperRoot;
    storage: Storage;
    binary: string;
    projects: () => HelperProjects;
  }) {
    this.root = parts.root;
    this.storage = parts.storage;
    this.binary = parts.binary;
    this.projects = parts.projects;
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS);
  }

  #dir(jobId: string): string {
    return join(this.root.run, "b", shortId(jobId));
  }
  /** What a helper that was killed left mounted; its jobs died with it. */
  async clean(): Promise<void> {
    const dir = join(this.root.run, "b");
    for (const name of readdirSync(dir)) await this.#removeView(join(dir, name));
  }

  start(params: HelperRequest<"backup.start">): void {
    if (this.#jobs.has(params.job_id)) return;
    const job: Job = {
      project_id: params.project_id,
      proc: undefined,
      progress: null,
      result: null,
      problem: null,
      ended: undefined,
      asked: performance.now(),
      done: Promise.resolve(),
    };
    this.#jobs.set(params.job_id, job);
    job.done = this.#run(job, params)
      .catch((error: unknown) => {
        job.problem ??= toProblem(error);
        log.warn("a backup job failed", {
          project_id: job.project_id,
          code: job.problem.code,
          why: job.problem.why,
        });
      })
      .finally(() => {
        job.ended = performance.now();
      });
  }

  reads(projectId: string, snapshot: string): boolean {
    return this.#read.has(`${projectId}/${snapshot}`);
  }

  /** How it stands: at once when it has ended, otherwise when it ends or after `waitMs`. */
  async poll(jobId: string, waitMs = 0): Promise<JobState> {
    const job = this.#jobs.get(jobId);
    if (!job) return { state: "unknown", progress: null, result: null, problem: null };
    job.asked = performance.now();
    if (waitMs > 0 && job.ended === undefined) await Promise.race([job.done, Bun.sleep(waitMs)]);
    const { progress, result, problem } = job;
    return { state: job.ended === undefined ? "running" : "ended", progress, result, problem };
  }

  async end(jobId: string): Promise<void> {
    const job = this.#jobs.get(jobId);
    if (!job) return;
    job.problem ??= { code: "backup.cancelled", title: "It was cancelled" };
    job.proc?.kill("SIGKILL");
    await job.done;
    this.#jobs.delete(jobId);
  }

  #sweep(): void {
    for (const [id, job] of this.#jobs) {
      const idle = performance.now() - job.asked;
      if (job.ended === undefined && idle > ABANDONED_MS) {
        job.problem ??= { code: "backup.abandoned", title: "Nobody asked for it any more" };
        job.proc?.kill("SIGKILL");
      }
      // A restore that was not committed goes with it.
      if (job.ended !== undefined && idle > REMEMBERED_MS)
        void this.end(id).catch((error: unknown) =>
          log.warn("a job's rest stays", { why: messageOf(error) }),
        );
    }
  }

  async #run(job: Job, params: HelperRequest<"backup.start">): Promise<void> {
    const { project_id, task, job_id } = params;
    const rustic = task.kind === "copy-paths" ? undefined : findRustic();
    const record = this.projects().record(project_id);
    const sourceBase =
      task.kind === "copy-paths" ? this.projects().record(task.source_id)?.base : record?.base;
    if (!record || sourceBase === undefined) {
      throw new CodedError({
        code: "backup.no-project",
        title: "This host has no files of that project",
        fix: "Restore it here first.",
        exit: EX.NOINPUT,
      });
    }
    const view = this.#dir(job_id);
    const rootless = this.root.privilege.kind !== "root";
    // A drill restores to a place of its own, named as no project is, with ids that no project has.
    const base = task.kind === "drill" ? DRILL_BASE : record.base;
    // Whose files are read: those of the project itself, but for a copy.
    const source_id = task.kind === "copy-paths" ? task.source_id : project_id;
    let snapshot: StoredSnapshot | undefined;
    try {
      let from = this.storage.space(source_id).data;
      const reads = task.kind === "backup" || task.kind === "copy-paths";
      if (reads && this.storage.space(source_id).snapshots !== undefined) {
        snapshot = await this.storage.snapshot(source_id, "backup");
        from = snapshot?.path ?? from;
        if (snapshot) this.#read.add(`${source_id}/${snapshot.name}`);
      }
      if (task.kind === "restore" || task.kind === "drill") {
        from = await this.storage.stage(task.kind === "drill" ? job_id : project_id);
        for (const part of PARTS) {
          mkdirSync(join(from, part), { mode: 0o700 });
          if (!rootless) chownSync(join(from, part), base, base);
        }
      }
      // Files that come into a living project belong to its user, who is who writes them.
      const copy = task.kind === "copy-paths";
      const asUser = task.kind === "restore-paths" || copy;
      const writable = task.kind !== "backup";
      if (rootless || task.kind === "restore-paths") mkdirSync(view, { recursive: true, mode: 0o711 });
      // The other project's ids are seen as this one's.
      else if (copy) await mountView(from, view, { disk: sourceBase, seen: base, count: RANGE }, false);
      else await mountView(from, view, { disk: base, seen: 0, count: RANGE }, writable);
      const source = copy ? this.storage.space(project_id).data : asUser || rootless ? from : view;
      const user = this.#user(task.kind, base);
      const passwd = `${view}.passwd`;
      const group = `${view}.group`;
      writeFileSync(passwd, `job:x:${user.uid}:${user.gid}::/tmp:/bin/sh\n`, { mode: 0o644 });
      writeFileSync(group, `job:x:${user.gid}:\n`, { mode: 0o644 });
      const plan: JailPlan = {
        user,
        caps: reads ? ["dac_read_search"] : asUser ? [] : RESTORE_CAPS,
        data: Object.fromEntries((asUser ? ["home"] : PARTS).map((part) => [part, join(source, part)])),
        writable,
        ...(copy ? { source: join(rootless ? from : view, "home") } : {}),
        binary: this.binary,
        rustic,
        cache: this.#cache(task.kind, user),
        passwd,
        group,
        rootless,
      };
      const input: JobInput = {
        project_id,
        task,
        repository: params.repository,
        ssh: params.ssh,
        live: snapshot === undefined,
        places: { ...JAIL_PLACES, data: task.kind === "restore-paths" ? "/project/home" : JAIL_PLACES.data },
      };
      await this.#spawn(job, this.root.privilege.wrap(jailArgv(plan)), input);
      // Told here as well: the walk finds them as empty directories, the storage knows them by name.
      if (job.result && snapshot) job.result.nested.push(...snapshot.left_out);
    } finally {
      await this.#removeView(view);
      if (snapshot) {
        this.#read.delete(`${source_id}/${snapshot.name}`);
        await this.storage.removeSnapshot(source_id, snapshot.name);
      }
      if (task.kind === "drill") await this.storage.remove(job_id);
    }
  }

  #user(kind: JobInput["task"]["kind"], base: number): JailPlan["user"] {
    if (this.root.privilege.kind !== "root") return { uid: 0, gid: 0 };
    if (kind === "backup") return { uid: this.root.hostUid, gid: this.root.hostGid };
    if (kind === "restore-paths" || kind === "copy-paths") return { uid: base + 1000, gid: base + 1000 };
    return { uid: 0, gid: 0 };
  }

  /** rustic's copy of indexes, one for each user that writes there: what one left the other could not replace. */
  #cache(kind: JobInput["task"]["kind"], user: JailPlan["user"]): string {
    const top = join(this.root.storage, "backup-cache");
    mkdirSync(top, { recursive: true, mode: 0o711 });
    const path = join(top, kind === "backup" ? "host" : user.uid === 0 ? "root" : `project-${user.uid}`);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    if (this.root.privilege.kind === "root") chownSync(path, user.uid, user.gid);
    return path;
  }

  async #spawn(job: Job, argv: string[], input: JobInput): Promise<void> {
    if (job.problem !== null) return;
    const proc = Bun.spawn(argv, {
      cwd: "/",
      env: cleanEnv(this.root.privilege.env),
      stdin: Buffer.from(JSON.stringify(input)),
      stdout: "pipe",
      stderr: "pipe",
    });
    job.proc = proc;
    const said = new Response(proc.stderr).text();
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of proc.stdout) {
      rest += decoder.decode(chunk, { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) this.#heard(job, line);
    }
    const code = await proc.exited;
    if (job.result !== null || job.problem !== null) return;
    throw new CodedError({
      code: "backup.job-died",
      title: "The backup's process ended without a word",
      why: (await said).trim().slice(-1_000) || `status ${code}`,
      fix: "If the machine ran out of memory: a restore needs about 1 GiB. Else see the helper's log.",
      exit: EX.SOFTWARE,
    });
  }

  #heard(job: Job, line: string): void {
    try {
      const value = JSON.parse(line) as { progress?: unknown; result?: unknown; problem?: unknown };
      if (value.progress !== undefined) job.progress = progressSchema.parse(value.progress);
      if (value.result !== undefined) job.result = jobResultSchema.parse(value.result);
      if (value.problem !== undefined) job.problem ??= problemSchema.parse(value.problem);
    } catch (error) {
      log.warn("a backup job said what it should not", { line: line.slice(0, 200), why: messageOf(error) });
    }
  }

  async #removeView(view: string): Promise<void> {
    const { privilege } = this.root;
    if (/\.(passwd|group)$/.test(view)) {
      await privilege.execOk(["rm", "-f", this.root.check(view)]);
      return;
    }
    if (existsSync(this.root.check(view))) {
      await unmountAll(privilege, view);
      rmdirSync(view);
    }
    await privilege.execOk(["rm", "-f", `${view}.passwd`, `${view}.group`]);
  }

  /** Puts what a restore brought in the place of the project's files; what was there is kept by the storage. */
  async commit(projectId: string, jobId: string): Promise<void> {
    const job = this.#jobs.get(jobId);
    if (job?.result && job.problem === null) {
      await this.storage.promote(projectId);
      return;
    }
    throw new CodedError({
      code: "backup.not-restored",
      title: "This restore did not come to its end",
      why: job?.problem?.title ?? (job ? "It still runs." : "This host knows of none."),
      fix: "Start it again.",
      status: 409,
    });
  }

  /** What the project's root file system is made from; null where this host has none of it. */
  source(projectId: string): { digest: string | null } {
    return { digest: this.projects().record(projectId)?.digest ?? null };
  }

  close(): void {
    clearInterval(this.#timer);
    for (const job of this.#jobs.values()) job.proc?.kill("SIGKILL");
  }
}
