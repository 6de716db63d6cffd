/**
 * Ways that the hub holds open: to a machine that cannot reach it, an SSH connection whose far end listens on loopback
 * for the hub's HTTPS and sshd. The machine's own tunnel then goes through that, as if the hub were there.
 */
import { type ProblemDetails, toProblem } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import { judgeSsh, type SshFiles, sshArgv, sshEnv } from "./ssh.ts";
import type { Target } from "./target.ts";

const log = logger("machines");
const UP_TIMEOUT_MS = 25_000;
const BEAT_MS = 10_000;
const SILENT_MS = 45_000;
const FIRST_BACKOFF_MS = 1_000;
const MAX_BACKOFF_MS = 60_000;

export interface HeldWay {
  state: "up" | "down";
  problem: ProblemDetails | null;
}

export interface Held extends HeldWay {
  /** Until it is up, or was tried once and is not: then the cause is thrown. */
  first(): Promise<void>;
  close(): void;
}

/** Holds until closed; tries again by itself. */
export function hold(options: {
  target: Target;
  files: SshFiles;
  hubKey: string;
  ports: { https: number; sshd: number };
  changed(): void;
}): Held {
  const { target, files, ports } = options;
  let closed = false;
  let child: ReturnType<typeof connectOnce>["proc"] | undefined;
  let wake = () => {};
  let settle: { resolve(): void; reject(problem: ProblemDetails): void } | undefined;
  const firstTry = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject: (problem) => reject(problem) };
  });
  firstTry.catch(() => {});
  const held: Held = {
    state: "down",
    problem: null,
    first: () => firstTry,
    close() {
      closed = true;
      child?.kill("SIGKILL");
      wake();
    },
  };
  const set = (change: HeldWay) => {
    const news = change.state !== held.state || change.problem?.code !== held.problem?.code;
    Object.assign(held, change);
    if (news) options.changed();
  };

  function connectOnce() {
    const way = (port: number) => ["-R", `127.0.0.1:${port}:127.0.0.1:${port}`];
    const proc = Bun.spawn(
      // One session whose far end echoes: the heartbeat, and TCP_NODELAY, which sshd sets for sessions alone.
      sshArgv(target, files, "exec cat", {
        extra: [...way(ports.https), ...way(ports.sshd), "-o", "ExitOnForwardFailure=yes"],
      }),
      { cwd: "/", env: sshEnv(files, undefined), stdin: "pipe", stdout: "pipe", stderr: "pipe" },
    );
    return { proc, stderr: new Response(proc.stderr).text() };
  }

  async function once(onUp: () => void): Promise<ProblemDetails> {
    const { proc, stderr } = connectOnce();
    child = proc;
    let last = Date.now();
    let up = false;
    let silent = false;
    const beat = () => {
      if (Date.now() - last > (up ? SILENT_MS : UP_TIMEOUT_MS)) {
        silent = true;
        proc.kill("SIGKILL");
        return;
      }
      try {
        proc.stdin.write("cocalc-beat\n");
        void proc.stdin.flush();
      } catch {
        // ssh is ending: proc.exited tells
      }
    };
    beat();
    const timer = setInterval(beat, BEAT_MS);
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of proc.stdout) {
      rest = (rest + decoder.decode(chunk, { stream: true })).slice(-4096);
      if (!rest.includes("cocalc-beat\n")) continue;
      rest = "";
      last = Date.now();
      if (!up) {
        up = true;
        onUp();
      }
    }
    await proc.exited;
    clearInterval(timer);
    return judgeSsh(silent ? "Connection timed out: no heartbeat came back" : await stderr, target, {
      hubKey: options.hubKey,
      password: false,
    });
  }

  void (async () => {
    for (let failures = 0; !closed; ) {
      const problem = await once(() => {
        failures = 0;
        set({ state: "up", problem: null });
        settle?.resolve();
      }).catch((error: unknown) => toProblem(error));
      if (closed) break;
      set({ state: "down", problem });
      settle?.reject(problem);
      log.warn("a way held to a machine ended", { host: target.host, code: problem.code, why: problem.why });
      const delay = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(failures++, 8));
      await Promise.race([Bun.sleep(delay), new Promise<void>((resolve) => (wake = resolve))]);
    }
  })();
  return held;
}
