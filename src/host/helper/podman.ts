/** The one template for a container's start, and the few other calls of podman. */
import { existsSync, readFileSync } from "node:fs";
import {
  AGENT_SOCKET_ENV,
  AGENT_SOCKET_PATH,
  AGENT_TOKEN_ENV,
  PROCESS_LIMIT_ENV,
  PROJECT_ID_ENV,
} from "../../contract/agent-protocol.ts";
import { CodedError, EX, messageOf } from "../../core/errors.ts";
import { cleanEnv, type ExecOptions, type ExecResult, exec } from "../../core/exec.ts";
import { globalFlags, writePodmanConfig } from "./podman-config.ts";
import { RANGE } from "./uid-ranges.ts";
import type { StartParams } from "./verbs.ts";

export const AGENT_BINARY = "/opt/cocalc/cocalc-project-host";
/** Stop: what SIGTERM gives a project before SIGKILL. */
export const STOP_SECONDS = 5;
/** Open files and processes of one user in a project, at most; the memory and pids limits are what really bounds it. */
const NOFILE = 65_536;
// Podman lowers its own limit to this first (seen with 4.3.1); who lacks CAP_SYS_RESOURCE cannot raise it again.
const NPROC = 32_768;
/** Threads of the agent's own runtime, beyond the project's limit: without them it would die at the limit (agent/spawn.ts). */
const RESERVED_THREADS = 64;

export interface Engine {
  podman: string;
  /** crun on cgroup v2; runc where v1 or hybrid forces it (crun refuses both). */
  runtime: string;
  cgroup: "v2" | "v1";
  /** podman's `--init` needs catatonit; without it the image's tini does the same. */
  init: boolean;
  /** Hard limits to give: without CAP_SYS_RESOURCE (root in a container) none above our own can be set. */
  nofile: number;
  nproc: number;
}

/** @example hardLimit("Max open files  1024  4096  files", "Max open files", 65536) === 4096 */
export function hardLimit(limits: string, name: string, wanted: number): number {
  const found = new RegExp(`^${name}\\s+\\S+\\s+(\\d+)`, "m").exec(limits)?.[1];
  return found === undefined ? wanted : Math.min(wanted, Number(found));
}

function find(name: string): string | null {
  return Bun.which(name, { PATH: cleanEnv().PATH ?? "" });
}

/** Errors: `runtime.no-podman`, `runtime.no-oci-runtime`. */
export function findEngine(): Engine {
  const missing = (code: string, what: string, pkg: string) =>
    new CodedError({
      code: `runtime.${code}`,
      title: `${what} is not installed`,
      why: "Projects run in containers that it starts.",
      fix: `Install the package ${pkg}.`,
      command: `sudo apt-get install -y ${pkg}`,
      exit: EX.UNAVAILABLE,
    });
  const podman = find("podman");
  if (podman === null) throw missing("no-podman", "podman", "podman");
  const cgroup = existsSync("/sys/fs/cgroup/cgroup.controllers") ? "v2" : "v1";
  const runtime = (cgroup === "v2" ? find("crun") : null) ?? find("runc");
  if (runtime === null)
    throw missing("no-oci-runtime", cgroup === "v2" ? "crun" : "runc", cgroup === "v2" ? "crun" : "runc");
  const init = ["/usr/libexec/podman/catatonit", "/usr/bin/catatonit"].some((path) => existsSync(path));
  const limits = readFileSync("/proc/self/limits", "utf8");
  return {
    podman,
    runtime,
    cgroup,
    init,
    nofile: hardLimit(limits, "Max open files", NOFILE),
    nproc: hardLimit(limits, "Max processes", NPROC),
  };
}

export interface ContainerPlace {
  name: string;
  /** Path of its network namespace. */
  netns: string;
  rootfs: string;
  home: string;
  /** What it sees as ~/.snapshots; undefined where there are none. */
  snapshots: string | undefined;
  agentDir: string;
  /** The binary of which the agent is a subcommand. */
  binary: string;
  log: string;
  pidFile: string;
  /** First of the project's 65,536 ids; undefined where all share those of the service user (rootless). */
  base: number | undefined;
  /** The image brings tini. */
  tini: boolean;
}

/**
 * Without root there is no cgroup to limit with (delegation differs from machine to machine); ulimits remain. crun can
 * do without cgroups, and must on v2; on v1 runc makes do with what it may not write.
 */
function limitFlags(engine: Engine, place: ContainerPlace, params: StartParams): string[] {
  if (place.base === undefined) return engine.cgroup === "v2" ? ["--cgroups", "disabled"] : [];
  return [
    "--memory",
    String(params.memory_bytes),
    "--memory-swap",
    String(params.memory_bytes),
    "--cpus",
    String(params.cpus),
    "--pids-limit",
    String(params.pids + RESERVED_THREADS),
    "--env",
    `${PROCESS_LIMIT_ENV}=${params.pids}`,
  ];
}

/**
 * The template. Capabilities and seccomp are podman's defaults, within a user namespace of the project's own, so
 * that sudo and apt work inside; `no-new-privileges` would forbid sudo. Nothing here comes from a request but
 * numbers; the token travels in the environment, where `ps` does not show it.
 */
export function runArgs(engine: Engine, place: ContainerPlace, params: StartParams): string[] {
  const init = engine.init ? ["--init"] : [];
  const ids =
    place.base === undefined
      ? []
      : ["--uidmap", `0:${place.base}:${RANGE}`, "--gidmap", `0:${place.base}:${RANGE}`];
  const entry = !engine.init && place.tini ? ["/usr/bin/tini", "-s", "--"] : [];
  return [
    "run",
    "--detach",
    // After a power loss /run is empty and podman's records are not: the dead container of that name goes first.
    "--replace",
    "--name",
    place.name,
    "--hostname",
    "project",
    ...init,
    ...ids,
    "--network",
    `ns:${place.netns}`,
    "--dns",
    "10.0.2.3",
    "--no-hosts",
    ...limitFlags(engine, place, params),
    "--ulimit",
    `nofile=${engine.nofile}:${engine.nofile}`,
    "--ulimit",
    `nproc=${engine.nproc}:${engine.nproc}`,
    "--tmpfs",
    "/run:rw,mode=755,size=64m",
    "--volume",
    `${place.agentDir}:/run/cocalc`,
    "--volume",
    `${place.home}:/home/user`,
    ...(place.snapshots === undefined ? [] : ["--volume", `${place.snapshots}:/home/user/.snapshots:ro`]),
    "--volume",
    `${place.binary}:${AGENT_BINARY}:ro`,
    "--user",
    "1000:1000",
    "--workdir",
    "/home/user",
    "--env",
    AGENT_TOKEN_ENV,
    "--env",
    `${AGENT_SOCKET_ENV}=${AGENT_SOCKET_PATH}`,
    "--env",
    `${PROJECT_ID_ENV}=${params.project_id}`,
    "--env",
    "HOME=/home/user",
    "--env",
    "USER=user",
    "--env",
    "LANG=C.UTF-8",
    "--log-driver",
    "k8s-file",
    "--log-opt",
    `path=${place.log}`,
    "--log-opt",
    "max-size=1mb",
    "--pidfile",
    place.pidFile,
    "--stop-timeout",
    String(STOP_SECONDS),
    "--rootfs",
    place.rootfs,
    ...entry,
    AGENT_BINARY,
    "agent",
  ];
}

/** A slow machine that boots, after a power cut too, has much else to do at the same time. */
const START_TIMEOUT_MS = 240_000;

export class Podman {
  readonly engine: Engine;
  #flags: string[];

  #config: string;

  #env: Record<string, string>;

  /** `env`: of the privilege it runs with. */
  constructor(engine: Engine, storage: string, run: string, env: Record<string, string> = {}) {
    this.engine = engine;
    this.#env = env;
    this.#config = writePodmanConfig(run);
    this.#flags = [engine.podman, ...globalFlags(storage, run), "--runtime", engine.runtime];
  }

  async call(args: string[], options: ExecOptions = {}): Promise<ExecResult> {
    const env = { ...options.env, ...this.#env, CONTAINERS_CONF: this.#config };
    return await exec([...this.#flags, ...args], { timeout: 60_000, ...options, cwd: "/", env });
  }

  async run(place: ContainerPlace, params: StartParams): Promise<void> {
    const began = performance.now();
    const result = await this.call(runArgs(this.engine, place, params), {
      env: { [AGENT_TOKEN_ENV]: params.token },
      timeout: START_TIMEOUT_MS,
    });
    if (result.code === 0) return;
    const tooLong = performance.now() - began >= START_TIMEOUT_MS;
    throw new CodedError({
      code: "project.start-failed",
      title: "The container did not start",
      why: tooLong
        ? `podman was not done after ${START_TIMEOUT_MS / 1000} s`
        : result.stderr.trim().split("\n").slice(-5).join("\n") || `podman ended with status ${result.code}`,
      fix: tooLong
        ? "The machine is too busy or too slow: start it again when it has less to do."
        : "See cocalc-hub doctor for what this host lacks.",
      status: 500,
    });
  }

  /** Name → first process, as podman believes. */
  async list(): Promise<Map<string, number>> {
    const result = await this.call(["ps", "--all", "--format", "json"]);
    if (result.code !== 0) {
      throw new CodedError({
        code: "runtime.podman-failed",
        title: "podman ps failed",
        why: result.stderr.trim(),
      });
    }
    try {
      const rows = JSON.parse(result.stdout || "[]") as { Names: string[]; Pid?: number; State: string }[];
      return new Map(rows.flatMap(({ Names, Pid }) => Names.map((name) => [name, Pid ?? 0] as const)));
    } catch (error) {
      throw new CodedError({
        code: "runtime.podman-failed",
        title: "podman ps answered with no JSON",
        why: messageOf(error),
      });
    }
  }

  /** SIGTERM, {@link STOP_SECONDS}, SIGKILL, gone. Missing is fine. */
  async remove(name: string, graceful: boolean): Promise<void> {
    if (graceful) await this.call(["stop", "--ignore", "--time", String(STOP_SECONDS), name]);
    const result = await this.call(["rm", "--force", "--ignore", "--time", "0", name]);
    if (result.code === 0) return;
    throw new CodedError({
      code: "runtime.podman-failed",
      title: `podman rm ${name} failed`,
      why: result.stderr.trim(),
    });
  }
}
