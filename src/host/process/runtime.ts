/**
 * The runtime `process`: a project's agent is a child process of the user, without container and without helper. It
 * answers what the helper answers, so that all else is one path. Nothing is shut in here: a project sees what its
 * user sees, so it is for one person's own machine.
 */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import {
  AGENT_SOCKET_ENV,
  AGENT_TOKEN_ENV,
  PROJECT_DIR_ENV,
  PROJECT_ID_ENV,
} from "../../contract/agent-protocol.ts";
import { CodedError, EX, errnoOf } from "../../core/errors.ts";
import { cleanEnv } from "../../core/exec.ts";
import { isUuid } from "../../core/ids.ts";
import { ensureDir, shortId, socketPath } from "../../core/paths.ts";
import type { Helper } from "../helper/client.ts";
import { type HelperReply, type HelperRequest, type HelperVerb, helperVerbs } from "../helper/verbs.ts";
import { isOfProject, processesOf } from "./own-processes.ts";

/** What stands for an image where there is none. */
export const NO_IMAGE = "0".repeat(64);

const TERM_GRACE_MS = 5_000;
const POLL_MS = 10;
const LOG_LINES = 200;

/** Of the user's own session: without them no agent forwarding, no desktop, no proxy. */
const PASSED_ON = ["PATH", "LANG", "LC_ALL", "TZ", "SHELL", "http_proxy", "https_proxy", "no_proxy"];

export interface ProcessRuntimeOptions {
  /** Sockets, pids and logs. */
  run: string;
  /** The project's own directory. */
  home(projectId: string): string;
  /** Whether `home` is the user's, so that HOME stays theirs and nothing in it is ever removed. */
  usersOwn: boolean;
  /** Runs the agent: program and arguments. */
  agent: string[];
}

export function createProcessRuntime(options: ProcessRuntimeOptions): Helper {
  const base = ensureDir(join(options.run, "p"));
  const dirOf = (id: string) => join(base, shortId(id));
  const pidFile = (id: string) => join(dirOf(id), "pid");
  const logFile = (id: string) => join(dirOf(id), "agent.log");

  function pidOf(id: string): number | undefined {
    try {
      const [pid = 0, of] = readFileSync(pidFile(id), "utf8").trim().split(" ");
      return of === id && isOfProject(Number(pid), id) ? Number(pid) : undefined;
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  function start(params: HelperRequest<"project.start">): HelperReply<"project.start"> {
    const id = params.project_id;
    const alive = pidOf(id);
    if (alive !== undefined) return { pid: alive, agent_dir: dirOf(id), adopted: true, timings: {} };
    const home = options.home(id);
    if (!options.usersOwn) ensureDir(home);
    if (!existsSync(home)) {
      throw new CodedError({
        code: "project.no-directory",
        title: `There is no directory ${home}`,
        fix: "Make it, or start with another one.",
        exit: EX.NOINPUT,
      });
    }
    rmSync(dirOf(id), { recursive: true, force: true });
    mkdirSync(dirOf(id), { mode: 0o700 });
    const log = openSync(logFile(id), "a", 0o600);
    const began = performance.now();
    try {
      const proc = Bun.spawn(options.agent, {
        cwd: "/",
        env: {
          ...cleanEnv(),
          ...Object.fromEntries(
            PASSED_ON.flatMap((name) => {
              const value = process.env[name];
              return value === undefined ? [] : [[name, value]];
            }),
          ),
          ...(options.usersOwn ? {} : { HOME: home }),
          [AGENT_TOKEN_ENV]: params.token,
          [AGENT_SOCKET_ENV]: socketPath(join(dirOf(id), "agent.sock")),
          [PROJECT_ID_ENV]: id,
          [PROJECT_DIR_ENV]: home,
        },
        stdin: "ignore",
        stdout: log,
        stderr: log,
        // A session of its own: what ends us, Ctrl-C included, does not end the terminals in it.
        detached: true,
      });
      proc.unref();
      writeFileSync(pidFile(id), `${proc.pid} ${id}\n`, { mode: 0o600 });
      return {
        pid: proc.pid,
        agent_dir: dirOf(id),
        adopted: false,
        timings: { spawn: Math.round(performance.now() - began) },
      };
    } finally {
      closeSync(log);
    }
  }

  async function gone(id: string, timeoutMs: number): Promise<boolean> {
    const end = Date.now() + timeoutMs;
    while (processesOf(id).length > 0) {
      if (Date.now() > end) return false;
      await Bun.sleep(POLL_MS);
    }
    return true;
  }
  function signal(id: string, name: NodeJS.Signals): void {
    for (const pid of processesOf(id)) {
      try {
        process.kill(pid, name);
      } catch {
        // It ended by itself meanwhile.
      }
    }
  }
  async function stop(id: string, graceMs: number): Promise<boolean> {
    const ran = pidOf(id) !== undefined;
    if (graceMs > 0) signal(id, "SIGTERM");
    // A shell ignores SIGTERM at its prompt; the agent hangs up its terminals, which ends it.
    if (!(await gone(id, graceMs))) {
      signal(id, "SIGKILL");
      await gone(id, TERM_GRACE_MS);
    }
    rmSync(pidFile(id), { force: true });
    return ran;
  }

  function list(): HelperReply<"project.list">["running"] {
    return readdirSync(base).flatMap((name) => {
      let project_id = "";
      try {
        project_id =
          readFileSync(join(base, name, "pid"), "utf8")
            .trim()
            .split(" ")[1] ?? "";
      } catch {
        return [];
      }
      if (!isUuid(project_id)) return [];
      const pid = pidOf(project_id);
      return pid === undefined ? [] : [{ project_id, pid, agent_dir: dirOf(project_id) }];
    });
  }

  function logs(id: string): string[] {
    try {
      return readFileSync(logFile(id), "utf8").split("\n").filter(Boolean).slice(-LOG_LINES);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return [];
      throw error;
    }
  }

  const handlers: { [V in HelperVerb]?: (params: never) => Promise<unknown> } = {
    hello: async () => ({ pid: process.pid, kind: "process", runtime: "process", cgroup: "", problem: null }),
    "project.prepare": async () => ({ uid: process.getuid?.() ?? 0 }),
    "project.start": async (params: HelperRequest<"project.start">) => start(params),
    "project.stop": async ({ project_id }: { project_id: string }) => ({
      stopped: await stop(project_id, TERM_GRACE_MS),
    }),
    "project.kill": async ({ project_id }: { project_id: string }) => ({
      stopped: await stop(project_id, 0),
    }),
    "project.remove": async ({ project_id }: { project_id: string }) => {
      await stop(project_id, 0);
      rmSync(dirOf(project_id), { recursive: true, force: true });
      const home = options.home(project_id);
      if (options.usersOwn || !existsSync(home)) return { removed: false };
      rmSync(home, { recursive: true, force: true });
      return { removed: true };
    },
    "project.list": async () => ({ running: list() }),
    "project.logs": async ({ project_id }: { project_id: string }) => ({ lines: logs(project_id) }),
    "project.known": async () => ({ projects: [] }),
    "backup.source": async () => ({ digest: null }),
    "image.list": async () => ({ digests: [NO_IMAGE] }),
    cleanup: async () => ({ removed: [] }),
    "runtime.check": async () => ({ ok: true, took_ms: 0 }),
  };

  return {
    async call<V extends HelperVerb>(verb: V, params: HelperRequest<V>): Promise<HelperReply<V>> {
      const handler = handlers[verb];
      if (handler === undefined) {
        throw new CodedError({
          code: "runtime.cannot",
          title: "Projects run as plain processes on this machine, which does not allow that",
          why: `${verb} needs the helper, which runs as root.`,
          status: 409,
          exit: EX.UNAVAILABLE,
        });
      }
      const request = helperVerbs[verb].request.parse(params);
      return helperVerbs[verb].reply.parse(await handler(request as never)) as HelperReply<V>;
    },
  };
}
