/**
 * Tells systemd how a service is (sd_notify(3)): ready, one line of status, alive. Started by anything else, all of it
 * does nothing. By bun:ffi, since Bun has no unix datagram sockets, and one process per heartbeat would be too many.
 */
import { dlopen, FFIType, ptr } from "bun:ffi";
import { logger } from "./log.ts";

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0x80000;
const MSG_NOSIGNAL = 0x4000;
/** Of `sun_path`. */
const MAX_PATH = 108;

export interface Notifier {
  /** The service does its work from now on. */
  ready(status: string): void;
  /** What `systemctl status` shows. */
  status(text: string): void;
  stopping(): void;
}

/** sockaddr_un; `@name` is an abstract socket. Undefined when the path does not fit. */
export function socketAddress(path: string): Buffer | undefined {
  const name = Buffer.from(path);
  if (name.length === 0 || name.length >= MAX_PATH) return undefined;
  if (name[0] === 0x40) name[0] = 0;
  const family = Buffer.alloc(2);
  family.writeUInt16LE(AF_UNIX);
  // An abstract name ends with the address, a path with a NUL.
  return Buffer.concat([family, name, name[0] === 0 ? Buffer.alloc(0) : Buffer.alloc(1)]);
}

/** Milliseconds between heartbeats: half of what the unit allows; undefined without a watchdog for this process. */
export function heartbeat(env: Record<string, string | undefined>, pid: number): number | undefined {
  const usec = Number(env.WATCHDOG_USEC);
  if (!(usec > 0)) return undefined;
  if (env.WATCHDOG_PID !== undefined && env.WATCHDOG_PID !== String(pid)) return undefined;
  return Math.max(50, Math.floor(usec / 2000));
}

function sender(path: string): ((text: string) => void) | undefined {
  const address = socketAddress(path);
  if (address === undefined) return undefined;
  const { i32, ptr: pointer, u64 } = FFIType;
  const libc = dlopen("libc.so.6", {
    socket: { args: [i32, i32, i32], returns: i32 },
    sendto: { args: [i32, pointer, u64, i32, pointer, i32], returns: FFIType.i64 },
  }).symbols;
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  if (fd < 0) return undefined;
  return (text) => {
    const bytes = Buffer.from(text);
    libc.sendto(fd, ptr(bytes), bytes.length, MSG_NOSIGNAL, ptr(address), address.length);
  };
}

let notifier: Notifier | undefined;

/** The one of this process; the heartbeat starts with the first call and stops with the event loop. */
export function serviceNotifier(env: Record<string, string | undefined> = process.env): Notifier {
  notifier ??= createNotifier(env);
  return notifier;
}

function createNotifier(env: Record<string, string | undefined>): Notifier {
  const path = env.NOTIFY_SOCKET;
  let send: ((text: string) => void) | undefined;
  if (path) {
    try {
      send = sender(path);
    } catch (error) {
      logger("notify").warn("systemd cannot be told how this service is", { why: String(error) });
    }
  }
  const tell = (text: string) => send?.(text);
  // A line break would begin another variable.
  const line = (text: string) => `STATUS=${text.replaceAll(/\s+/g, " ").slice(0, 500)}`;
  const every = send ? heartbeat(env, process.pid) : undefined;
  if (every !== undefined) setInterval(() => tell("WATCHDOG=1"), every).unref();
  return {
    ready: (status) => tell(`READY=1\n${line(status)}`),
    status: (text) => tell(line(text)),
    stopping: () => tell(`STOPPING=1\n${line("stopping")}`),
  };
}
