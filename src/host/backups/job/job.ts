/**
 * `cocalc-project-host backup-job`: one backup, restore or drill, inside the helper's jail. It sees the project's files,
 * rustic, and the repository behind ssh or S3; nothing else of the machine. Talks in lines of JSON: progress, then a
 * result or a problem.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { JobResult, Manifest, Progress, Task } from "../../../contract/backup-job.ts";
import { renderKnownHosts, renderProfile, renderSshConfig } from "../../../contract/rustic-profile.ts";
import { s3Store } from "../../../contract/s3-store.ts";
import { CodedError } from "../../../core/errors.ts";
import { copyPaths } from "./copy-paths.ts";
import type { JobInput } from "./input.ts";
import { type RusticRun, runRustic } from "./rustic-run.ts";
import shim from "./ssh-shim.sh" with { type: "text" };
import { changedBetween, compareWith, type Walk, walkTree } from "./walk.ts";
import { problemOfRun } from "./why.ts";

/** A living tree is read again until it stood still meanwhile, at most this often. */
const ROUNDS = 3;
const KEPT = 100;
const LABEL = "project";
/** Without a word of its progress a long one would be taken for one that hangs. */
const RESTORE = ["--sparse", "by-content", "--json-progress"];

const EMPTY: JobResult = {
  snapshot_id: null,
  files: 0,
  dirs: 0,
  added_bytes: 0,
  warnings: [],
  warnings_total: 0,
  nested: [],
  changed: [],
  changed_total: 0,
  manifest: null,
  differences: [],
  took_ms: 0,
};

const number = (run: RusticRun, ...keys: string[]): number =>
  keys.reduce((sum, key) => {
    const value = run.summary?.[key];
    return sum + (typeof value === "number" ? value : 0);
  }, 0);

export async function runJob(input: JobInput, onProgress: (progress: Progress) => void): Promise<JobResult> {
  const began = performance.now();
  const { places, task, repository } = input;
  if (task.kind === "copy-paths") {
    const homes = { source: join(places.data, "source"), home: join(places.data, "home") };
    const warnings = await copyPaths(task, homes, onProgress);
    const took_ms = Math.round(performance.now() - began);
    return { ...EMPTY, warnings, warnings_total: warnings.length, took_ms };
  }
  if (repository === null)
    throw new CodedError({ code: "backup.no-repository", title: "No repository was named" });
  const bucket = repository.kind === "s3" ? s3Store(repository) : undefined;
  const profile = join(places.tmp, "rk");
  const log = join(places.tmp, "rustic.log");
  const bin = join(places.tmp, "bin");
  const state = join(places.tmp, "state");
  for (const dir of [bin, state]) mkdirSync(dir, { recursive: true, mode: 0o700 });
  const put = (name: string, text: string, mode = 0o600) =>
    writeFileSync(join(places.tmp, name), text, { mode });
  put("password", repository.password);
  put(
    "rk.toml",
    renderProfile(
      repository,
      { log, cache: places.cache, password: join(places.tmp, "password") },
      { retry: task.kind !== "backup" ? "many" : bucket ? "few" : "off" },
    ),
  );
  if (input.ssh) {
    put("key", input.ssh.private_key);
    put("known_hosts", renderKnownHosts(input.ssh));
    put(
      "ssh_config",
      renderSshConfig(input.ssh, {
        key: join(places.tmp, "key"),
        knownHosts: join(places.tmp, "known_hosts"),
      }),
    );
    put("bin/ssh", shim, 0o700);
  }
  await bucket?.check().catch((error: unknown) => {
    // What may pass by itself, rustic tries a few times.
    const code = error instanceof CodedError ? error.code : "";
    if (!["backup.s3-throttled", "backup.unreachable"].includes(code)) throw error;
  });
  const rustic = async (args: string[], phase: string, cwd: string) => {
    const run = await runRustic([places.rustic, "-P", profile, ...args], {
      cwd,
      log,
      phase,
      onProgress,
      endAtError: task.kind === "backup",
      retriesHelp: task.kind !== "backup" || bucket !== undefined,
      env: {
        PATH: `${bin}:/usr/local/bin:/usr/bin:/bin`,
        COCALC_SSH_CONFIG: join(places.tmp, "ssh_config"),
        XDG_STATE_HOME: state,
        HOME: places.tmp,
        RUSTIC_PROGRESS_INTERVAL: "1s",
      },
    });
    // What rustic was refused by a HEAD has no cause; asked once more it has.
    if (run.code !== 0) await bucket?.check();
    return run;
  };
  const result =
    task.kind === "backup"
      ? await backup(input, task.parent, rustic, onProgress)
      : await restore(input, task, rustic, onProgress);
  return { ...result, took_ms: Math.round(performance.now() - began) };
}

type Rustic = (args: string[], phase: string, cwd: string) => Promise<RusticRun>;

async function backup(
  input: JobInput,
  parent: string | null,
  rustic: Rustic,
  onProgress: (progress: Progress) => void,
): Promise<JobResult> {
  const root = input.places.data;
  let known = parent;
  for (let round = 1; ; round++) {
    onProgress({ phase: round === 1 ? "reading" : "reading again what changed" });
    // A snapshot stands still: it is walked while rustic reads it, which costs no time of its own.
    const before = input.live ? await walkTree(root, { signatures: true }) : undefined;
    const walking = input.live ? undefined : walkTree(root);
    // Whoever fails first is told below; the other's failure must not go unheard either.
    walking?.catch(() => {});
    const run = await rustic(
      [
        ...["backup", ".", "--host", `project-${input.project_id}`, "--label", LABEL],
        ...["--no-scan", "--json-progress", ...(known === null ? ["--force"] : ["--parent", known])],
      ],
      "reading",
      root,
    );
    const snapshot = run.summary?.snapshot_id;
    if (run.code !== 0 || typeof snapshot !== "string") throw new CodedError(problemOfRun(run, "The backup"));
    onProgress({ phase: "comparing with what is there" });
    const walk: Walk = walking ? await walking : await walkTree(root, { signatures: true });
    const changed =
      before?.signatures && walk.signatures ? changedBetween(before.signatures, walk.signatures) : [];
    known = snapshot;
    if (changed.length > 0 && round < ROUNDS) continue;
    return {
      ...EMPTY,
      snapshot_id: snapshot,
      files: number(run, "files_new", "files_changed", "files_unmodified"),
      dirs: number(run, "dirs_new", "dirs_changed", "dirs_unmodified"),
      added_bytes: number(run, "data_added"),
      warnings: run.warnings.slice(0, KEPT),
      warnings_total: run.warningsTotal,
      nested: walk.nested.slice(0, KEPT),
      changed: changed.slice(0, KEPT),
      changed_total: changed.length,
      manifest: walk.manifest,
    };
  }
}

async function restore(
  input: JobInput,
  task: Exclude<Task, { kind: "backup" | "copy-paths" }>,
  rustic: Rustic,
  onProgress: (progress: Progress) => void,
): Promise<JobResult> {
  const { data } = input.places;
  if (task.kind === "restore-paths") return await restorePaths(input, task, rustic, onProgress);
  onProgress({ phase: "restoring" });
  const run = await rustic(["restore", task.snapshot, data, "--numeric-id", ...RESTORE], "restoring", data);
  if (run.code !== 0 || run.errors.length > 0) throw new CodedError(problemOfRun(run, "The restore"));
  onProgress({ phase: "comparing with what was backed up" });
  const compared: { manifest: Manifest; differences: string[] } = task.manifest
    ? await compareWith(data, task.manifest)
    : { manifest: (await walkTree(data)).manifest, differences: [] };
  return {
    ...EMPTY,
    files: compared.manifest.files,
    dirs: compared.manifest.dirs,
    warnings: run.warnings.slice(0, KEPT),
    warnings_total: run.warningsTotal,
    manifest: compared.manifest,
    differences: compared.differences.slice(0, KEPT),
  };
}

/**
 * Runs with the project's own rights, in a jail where nothing but its home can be written: whatever links lie in the
 * way lead to nowhere that the project could not write itself.
 */
async function restorePaths(
  input: JobInput,
  task: Extract<Task, { kind: "restore-paths" }>,
  rustic: Rustic,
  onProgress: (progress: Progress) => void,
): Promise<JobResult> {
  const target = task.into === null ? input.places.data : join(input.places.data, task.into);
  const warnings: string[] = [];
  for (const path of task.paths) {
    onProgress({ phase: `restoring ${path}`.slice(0, 100) });
    const to = join(target, path);
    mkdirSync(join(to, ".."), { recursive: true });
    const run = await rustic(
      ["restore", `${task.snapshot}:home/${path}`, to, "--no-ownership", ...RESTORE],
      "restoring",
      input.places.data,
    );
    if (run.code !== 0 || run.errors.length > 0)
      throw new CodedError(problemOfRun(run, `The restore of ${path}`));
    warnings.push(...run.warnings);
  }
  return { ...EMPTY, warnings: warnings.slice(0, KEPT), warnings_total: warnings.length };
}
