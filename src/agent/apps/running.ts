/** One start of an app: its process tree, its port, its end. It outlives the agent, and is adopted by the next one. */
import { closeSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { z } from "zod";
import type { AppDefinition } from "../../contract/apps.ts";
import { errnoOf } from "../../core/errors.ts";
import { writeStateFile } from "../../core/state-file.ts";
import { childEnv, type Surroundings } from "../child-env.ts";
import { spawnError } from "../pty.ts";
import { spawn } from "../spawn.ts";
import launchScript from "./launch.sh" with { type: "text" };
import type { AppLog } from "./log.ts";
import { appsDir } from "./paths.ts";
import { sessionMembers, signalSession, statOf } from "./sessions.ts";

/** Between SIGTERM and SIGKILL. */
const KILL_AFTER_MS = 5_000;
const GONE_POLL_MS = 100;

/** `<name>.json` beside the log: what the next agent needs to know it again. */
const recordSchema = z.object({
  pid: z.number().int().min(2),
  started: z.number().int(),
  port: z.number().int().min(1).max(65535),
  since: z.number(),
});
export type AppRecord = z.infer<typeof recordSchema>;

/** A port of 127.0.0.1 that is free now. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => (address !== null && typeof address === "object" ? resolve(address.port) : reject()));
    });
  });
}

export interface Launched extends AppRecord {
  /** Of one that we started; an adopted one's status nobody hears. */
  exited: Promise<{ code: number | null; signal: string | null }> | undefined;
}

function recordPath(home: string, name: string): string {
  return join(appsDir(home), `${name}.json`);
}

export async function launch(
  name: string,
  definition: AppDefinition,
  baseUrl: string,
  log: AppLog,
  around: Surroundings,
  own: Record<string, string | undefined>,
): Promise<Launched> {
  mkdirSync(appsDir(around.home), { recursive: true, mode: 0o700 });
  const port = await freePort();
  const fd = log.begin();
  const argv = [around.shell, "-lc", launchScript];
  const env = childEnv(around, own, {
    PORT: String(port),
    APP_BASE_URL: baseUrl,
    APP_NAME: name,
    APP_COMMAND: definition.command,
  });
  try {
    // A session of its own: all of it can be found and ended, and it does not end with the agent.
    const proc = spawn(argv, {
      cwd: around.home,
      env,
      stdin: "ignore",
      stdout: fd,
      stderr: fd,
      detached: true,
    });
    proc.unref();
    const record = { pid: proc.pid, started: statOf(proc.pid)?.started ?? 0, port, since: Date.now() };
    writeStateFile(recordPath(around.home, name), record);
    return {
      ...record,
      exited: proc.exited.then((code) => ({
        code: proc.signalCode === null ? code : null,
        signal: proc.signalCode === null ? null : String(proc.signalCode),
      })),
    };
  } catch (error) {
    throw spawnError(error, argv[0] ?? "", around.home);
  } finally {
    closeSync(fd);
  }
}

/** What an earlier agent started and still lives: same pid, same moment of start. */
export function adoptable(home: string, name: string): Launched | undefined {
  try {
    const record = recordSchema.parse(JSON.parse(readFileSync(recordPath(home, name), "utf8")));
    const stat = statOf(record.pid);
    if (stat && !stat.zombie && stat.started === record.started && stat.session === record.pid)
      return { ...record, exited: undefined };
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
  }
  forget(home, name);
  return undefined;
}

export function forget(home: string, name: string): void {
  rmSync(recordPath(home, name), { force: true });
}

export function lives(launched: Launched): boolean {
  return sessionMembers(launched.pid).length > 0;
}

/** Ends its whole session. */
export async function end(launched: Launched): Promise<void> {
  signalSession(launched.pid, "SIGTERM");
  const until = Date.now() + KILL_AFTER_MS;
  while (lives(launched) && Date.now() < until) await Bun.sleep(GONE_POLL_MS);
  while (lives(launched)) {
    signalSession(launched.pid, "SIGKILL");
    await Bun.sleep(GONE_POLL_MS);
  }
}
