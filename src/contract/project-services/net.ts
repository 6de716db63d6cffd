/** Sockets inside a project, for forwards over SSH: the connections are made and taken in its own network namespace. */
import { z } from "zod";

const host = z.string().min(1).max(255);
const port = z.number().int().min(0).max(65_535);
/** `sun_path` of Linux, with its closing NUL. */
const socketPath = z
  .string()
  .min(1)
  .max(107)
  .refine((text) => !text.includes("\0"), "a path holds no NUL");
const connection_id = z.string().regex(/^[A-Za-z0-9_-]{8,64}$/);

/** Of one listener; further ones wait in the kernel's backlog. */
export const MAX_WAITING_CONNECTIONS = 128;
/** Of `~/.ssh/authorized_keys`. */
export const MAX_AUTHORIZED_KEYS_BYTES = 64 * 1024;

export const netRequests = {
  /** The project's own `~/.ssh/authorized_keys`, as far as {@link MAX_AUTHORIZED_KEYS_BYTES}; empty without one. */
  "ssh.authorized-keys": {
    request: z.object({}),
    reply: z.object({ text: z.string().max(MAX_AUTHORIZED_KEYS_BYTES) }),
  },
} as const;

export const netStreams = {
  /** Bytes both ways, with half-close. `net.refused` when nobody takes the connection. */
  "net.connect": {
    params: z.union([z.object({ host, port: port.min(1) }), z.object({ path: socketPath })]),
    up: z.never(),
    down: z.never(),
  },
  /**
   * Listens as long as the stream is open. `agent`: a socket of its own in a directory of its own, for an SSH agent.
   * Down: `listening`, then `connection` for each, which `net.accept` takes. `net.in-use` when it cannot listen.
   */
  "net.listen": {
    params: z.union([
      z.object({ host: z.string().max(255), port }),
      z.object({ path: socketPath }),
      z.object({ agent: z.literal(true) }),
    ]),
    up: z.never(),
    down: z.discriminatedUnion("type", [
      z.object({ type: z.literal("listening"), port, path: z.string().max(200) }),
      z.object({ type: z.literal("connection"), connection_id, address: z.string().max(64), port }),
    ]),
  },
  "net.accept": { params: z.object({ connection_id }), up: z.never(), down: z.never() },
} as const;
