/**
 * Runs commands as systemd would, where there is no systemd: restarts with backoff, whole process groups, no orphans.
 * A child is ended with its supervisor, also when that is killed with -9 (PR_SET_PDEATHSIG, by setpriv).
 */
import type { Subprocess } from "bun";
import { cleanEnv } from "./exec.ts";
import { logger } from "./log.ts";

const FIRST_BACKOFF_MS = 200;
const MAX_BACKOFF_MS = 5_000;
/** A child that lived this long starts anew without backoff. */
const STABLE_MS = 10_000;
/** From SIGTERM to SIGKILL. */
export const STOP_GRACE_MS = 15_000;

export interface ChildSpec {
  name: string;
  argv: string[];
  env?: Record<string, string>;
  /** Service user to run as (only as root): name; HOME and USER follow. */
  user?: { name: string; home: string };
  /** Told of each end that was not asked for, before it is started again. */
  onEnd?: (code: number) => void;
  /** A status that means “do not start me again”. */
  giveUpOn?: number[];
}

export interface Supervisor {
  /** Adds a child; a name that is there already is refused. */
  start(spec: ChildSpec): void;
  /** Ends one child and forgets it. */
  end(name: string): Promise<void>;
  /** Ends all, last started first. */
  stop(): Promise<void>;
  /** Pids of what runs now, by name. */
  pids(): Record<string, number>;
  /** Resolves with the name and status of the first child that gave up. */
  gaveUp: Promise<{ name: string; code: number }>;
}

interface Child {
  spec: ChildSpec;
  proc: Subprocess | undefined;
  ending: boolean;
  done: Promise<void>;
  wake: () => void;
}

/**
 * The argument vector that runs `argv` with the death signal set, and as another user when given. The program is a
 * process group of its own, so that a signal reaches its children too.
 */
export function childArgv(spec: ChildSpec): string[] {
  const user = spec.user
    ? [`--reuid=${spec.user.name}`, `--regid=${spec.user.name}`, "--init-groups", "--inh-caps=-all"]
    : [];
  return ["setsid", "--", "setpriv", "--pdeathsig=TERM", ...user, "--", ...spec.argv];
}

export function supervise(log = logger("supervise")): Supervisor {
  const children = new Map<string, Child>();
  let tellGaveUp: (value: { name: string; code: number }) => void = () => {};
  const gaveUp = new Promise<{ name: string; code: number }>((resolve) => {
    tellGaveUp = resolve;
  });

  function spawn(spec: ChildSpec): Subprocess {
    const identity: Record<string, string> = spec.user ? { HOME: spec.user.home, USER: spec.user.name } : {};
    return Bun.spawn(childArgv(spec), {
      cwd: "/",
      env: cleanEnv({ ...identity, ...spec.env }),
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
    });
  }

  async function keepRunning(child: Child): Promise<void> {
    let backoff = FIRST_BACKOFF_MS;
    while (!child.ending) {
      const began = Date.now();
      child.proc = spawn(child.spec);
      const code = await child.proc.exited;
      child.proc = undefined;
      if (child.ending) return;
      child.spec.onEnd?.(code);
      const name = child.spec.name;
      if (child.spec.giveUpOn?.includes(code)) {
        log.error(`${name} ended with status ${code} and is not started again`);
        children.delete(name);
        tellGaveUp({ name, code });
        return;
      }
      if (Date.now() - began > STABLE_MS) backoff = FIRST_BACKOFF_MS;
      log.warn(`${name} ended with status ${code}; starting it again in ${backoff} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, backoff);
        child.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      backoff = Math.min(backoff * 2, MAX_BACKOFF_MS);
    }
  }

  async function endChild(child: Child): Promise<void> {
    child.ending = true;
    child.wake();
    const proc = child.proc;
    if (proc !== undefined) {
      signalGroup(proc.pid, "SIGTERM");
      const timer = setTimeout(() => {
        log.warn(`${child.spec.name} did not end within ${STOP_GRACE_MS / 1000} s of SIGTERM; killing it`);
        signalGroup(proc.pid, "SIGKILL");
      }, STOP_GRACE_MS);
      await proc.exited;
      clearTimeout(timer);
      // Whatever the leader left behind in its group.
      signalGroup(proc.pid, "SIGKILL");
    }
    await child.done;
    children.delete(child.spec.name);
  }

  return {
    start(spec) {
      if (children.has(spec.name)) throw new Error(`${spec.name} runs already`);
      const child: Child = { spec, proc: undefined, ending: false, done: Promise.resolve(), wake: () => {} };
      children.set(spec.name, child);
      child.done = keepRunning(child);
    },
    async end(name) {
      const child = children.get(name);
      if (child) await endChild(child);
    },
    async stop() {
      for (const child of [...children.values()].reverse()) await endChild(child);
    },
    pids() {
      const pids: Record<string, number> = {};
      for (const [name, child] of children) if (child.proc) pids[name] = child.proc.pid;
      return pids;
    },
    gaveUp,
  };
}

/** setsid made the child the leader of a group of its own number. */
export function signalGroup(pid: number, signal: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // the group is gone
  }
}
