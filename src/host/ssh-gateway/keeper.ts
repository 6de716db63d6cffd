/**
 * The daemon's side of its SSH gateways: one that listens, and those before it that still have people logged in. One of
 * this very build that listens already is taken over; otherwise a new one is started, and the one before gives up the
 * port once that listens too: nobody is refused meanwhile.
 */
import { rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { z } from "zod";
import { cleanEnv } from "../../core/exec.ts";
import { logger } from "../../core/log.ts";
import type { HostPaths } from "../../core/paths.ts";
import { startTime } from "../../core/processes.ts";
import { readStateFile, writeStateFile } from "../../core/state-file.ts";
import { COMMIT, VERSION } from "../../core/version.ts";
import { gatewayRecord, gatewaySocket } from "./places.ts";
import type { Present } from "./present.ts";
import {
  doorName,
  type GatewayProject,
  type Order,
  onMessages,
  type Report,
  reportSchema,
  send,
} from "./wire.ts";

const log = logger("ssh");
/** One that lives connects within a quarter of a second. */
const ADOPT_MS = 1_500;
const RESTART_MS = 1_000;
const RECHECK_MS = 3_000;
const LISTEN_MS = 10_000;
const POLL_MS = 50;

const recordSchema = z.object({ pid: z.number(), started: z.number() });

interface Gateway {
  socket: Socket;
  pid: number;
  listening: boolean;
  logins: Present[];
}

export interface KeeperOptions {
  paths: HostPaths;
  door: { hostname: string | undefined; port: number };
  /** `ssh-ed25519 AAAA…`, as the gateway shows it. */
  hostKey: string;
  projects(): GatewayProject[];
  wake(projectId: string): void;
  onLogin(login: Extract<Report, { type: "login" }>): void;
  /** Somebody came in or left. */
  onLogins(): void;
  /** Of this program; a gateway of another is not taken over. */
  build?: string;
  program?: string[];
}

export interface Keeper {
  start(): Promise<void>;
  /** Whether one listens; waits a while for one that is being started. */
  listens(): Promise<boolean>;
  logins(projectId: string): number;
  /** All that are logged in; somebody with several connections several times. */
  present(): Present[];
  told(project: GatewayProject): void;
  /** After who may log in has changed; how many were ended. */
  recheck(): Promise<number>;
  /** `keep`: they live on, for the next daemon. */
  close(keep: boolean): void;
}

export function createKeeper(options: KeeperOptions): Keeper {
  const { paths, door } = options;
  const record = gatewayRecord(paths);
  const { build = `${VERSION} ${COMMIT}`, program = [process.execPath] } = options;
  const gateways = new Set<Gateway>();
  let current: Gateway | undefined;
  let starting: ReturnType<typeof Bun.spawn> | undefined;
  let server: Server | undefined;
  let waiting: ReturnType<typeof setTimeout> | undefined;
  let closed = false;
  let rechecks = 0;
  const answers = new Map<number, (ended: number) => void>();

  function spawn(): void {
    clearTimeout(waiting);
    if (closed || starting !== undefined) return;
    const where = door.hostname === undefined ? [] : ["--hostname", door.hostname];
    const root = dirname(paths.dir);
    const argv = [...program, "ssh-gateway", "--data-dir", root, "--port", String(door.port), ...where];
    const proc = Bun.spawn(argv, {
      cwd: "/",
      env: cleanEnv(),
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
    });
    starting = proc;
    proc.unref();
    void proc.exited.then((code) => {
      if (closed || starting !== proc) return;
      starting = undefined;
      log.warn("the SSH gateway ended; starting it again", { code });
      spawnSoon(RESTART_MS);
    });
  }

  /** From now on it is the one that listens; those before it end with who is logged in. */
  function use(gateway: Gateway): void {
    clearTimeout(waiting);
    current = gateway;
    writeStateFile(record, { pid: gateway.pid, started: startTime(gateway.pid) ?? 0 });
    send(gateway.socket, { type: "listen" });
    drainOthers();
  }

  /** Not before the current one listens: the port is never closed. */
  function drainOthers(): void {
    if (current?.listening !== true) return;
    for (const other of gateways) if (other !== current) send(other.socket, { type: "drain" });
  }

  function spawnSoon(afterMs: number): void {
    clearTimeout(waiting);
    waiting = setTimeout(spawn, afterMs);
  }

  function take(socket: Socket, report: Report, mine: Gateway | undefined): Gateway | undefined {
    if (report.type === "hello") {
      const gateway: Gateway = { socket, pid: report.pid, listening: report.listening, logins: [] };
      gateways.add(gateway);
      send(socket, { type: "projects", projects: options.projects() });
      // What changed while no daemon was there to say so.
      send(socket, { type: "recheck", id: 0 });
      const ours = report.pid === starting?.pid;
      const same =
        report.build === build && report.door === doorName(door, options.hostKey) && starting === undefined;
      if (ours || (same && current === undefined && !report.draining)) use(gateway);
      else if (report.draining) log.info("an earlier SSH gateway goes on until who is logged in has left");
      else if (current !== undefined) drainOthers();
      else spawn();
      return gateway;
    }
    if (mine === undefined) return mine;
    if (report.type === "listening") {
      mine.listening = report.listening;
      drainOthers();
    } else if (report.type === "logins") {
      mine.logins = report.logins;
      options.onLogins();
    } else if (report.type === "rechecked") answers.get(report.id)?.(report.ended);
    else if (report.type === "wake") options.wake(report.project_id);
    else options.onLogin(report);
    return mine;
  }

  function serve(socket: Socket): void {
    let mine: Gateway | undefined;
    socket.on("error", () => {
      // it ended: `close` tells
    });
    onMessages(socket, reportSchema, (report) => {
      mine = take(socket, report, mine);
    });
    socket.once("close", () => {
      if (mine === undefined) return;
      gateways.delete(mine);
      if (!closed) options.onLogins();
      if (current !== mine) return;
      current = undefined;
      // One of an earlier daemon: nobody waits for its end.
      if (starting === undefined && !closed) spawnSoon(RESTART_MS);
    });
  }

  const everybody = () => [...gateways].flatMap((one) => one.logins);
  const all = (order: Order) => {
    for (const { socket } of gateways) send(socket, order);
  };

  return {
    async start() {
      const path = gatewaySocket(paths);
      rmSync(path, { force: true });
      server = createServer(serve);
      await new Promise<void>((resolve, reject) => {
        server?.once("error", reject);
        server?.listen({ path }, resolve);
      });
      const before = readStateFile(record, (value) => recordSchema.parse(value));
      if (before !== undefined && startTime(before.pid) === before.started) spawnSoon(ADOPT_MS);
      else spawn();
    },
    async listens() {
      const end = performance.now() + LISTEN_MS;
      while (current?.listening !== true && performance.now() < end && !closed) await Bun.sleep(POLL_MS);
      return current?.listening ?? false;
    },
    logins(projectId) {
      return everybody().filter((one) => one.project_id === projectId).length;
    },
    present: everybody,
    told: (project) => all({ type: "project", project }),
    async recheck() {
      const ended = [...gateways].map(
        ({ socket }) =>
          new Promise<number>((resolve) => {
            rechecks += 1;
            const id = rechecks;
            const timer = setTimeout(() => resolve(0), RECHECK_MS);
            answers.set(id, (count) => {
              clearTimeout(timer);
              answers.delete(id);
              resolve(count);
            });
            send(socket, { type: "recheck", id });
          }),
      );
      return (await Promise.all(ended)).reduce((sum, one) => sum + one, 0);
    },
    close(keep) {
      closed = true;
      clearTimeout(waiting);
      server?.close();
      const pids = new Set([...[...gateways].map((one) => one.pid), ...(starting ? [starting.pid] : [])]);
      if (!keep) for (const pid of pids) if (startTime(pid) !== undefined) process.kill(pid, "SIGTERM");
      for (const { socket } of gateways) socket.destroy();
    },
  };
}
