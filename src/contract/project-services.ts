/**
 * What an agent serves inside a project, as the UI, the CLI and the SSH gateway see it. Subjects are
 * `project.<project_id>.<service>`. Paths are relative to the project's home, or absolute. Sizes are bytes, times
 * milliseconds since the epoch. An agent belongs to its project: whoever uses its answers parses them.
 */
import { z } from "zod";
import { appRequests } from "./project-services/apps.ts";
import { editRequests, editStreams } from "./project-services/editing.ts";
import { fileRequests, fileStreams } from "./project-services/files.ts";
import { netRequests, netStreams } from "./project-services/net.ts";
import { pathSchema as path } from "./project-services/path.ts";
import { snapshotRequests } from "./project-services/snapshots.ts";

/** `project.<project_id>.<service>` */
export function projectSubject(project_id: string, service: ProjectService): string {
  return `project.${project_id}.${service}`;
}

/** What a text editor loads. Larger files are for download. */
export const MAX_EDIT_BYTES = 10 * 1024 * 1024;
/** Of one page of {@link fileRequests}.list. */
export const MAX_LIST_ENTRIES = 1000;
export const MAX_TERMINALS = 100;
/** Output that a terminal keeps for viewers that come later. */
export const TERMINAL_RING_BYTES = 1024 * 1024;

const rows = z.number().int().min(1).max(1000);
const cols = z.number().int().min(1).max(2000);
const exitSchema = z.object({ code: z.number().int().nullable(), signal: z.string().max(20).nullable() });
export type Exit = z.infer<typeof exitSchema>;
const terminal_id = z.string().regex(/^[a-z0-9]{1,32}$/);

export const terminalSchema = z.object({
  terminal_id,
  /** What a person called it; else empty. */
  name: z.string().max(100),
  /** What the program in it says it is (OSC 0/2); hostile text. */
  title: z.string().max(300),
  cwd: z.string().max(4096),
  pid: z.number().int().nullable(),
  running: z.boolean(),
  exit: exitSchema.nullable(),
  rows,
  cols,
  viewers: z.number().int(),
  created_at: z.number(),
});
export type Terminal = z.infer<typeof terminalSchema>;

export const fileTypeSchema = z.enum(["file", "directory", "symlink", "fifo", "socket", "device", "unknown"]);
export const fileSchema = z.object({
  name: z.string().max(4096),
  /** Of the entry itself: a symlink is `symlink`. */
  type: fileTypeSchema,
  /** What a symlink leads to; null for a broken one, and for what is no symlink. */
  target_type: fileTypeSchema.nullable(),
  size: z.number(),
  mtime: z.number(),
  /** Permission bits, as in 0o644. */
  mode: z.number().int(),
  /** Changes with the content; give it back when writing. */
  etag: z.string().max(100),
});
export type FileInfo = z.infer<typeof fileSchema>;

export const portSchema = z.object({
  port: z.number().int().min(1).max(65535),
  /** `127.0.0.1`, `0.0.0.0`, `::1`, `::` … */
  address: z.string().max(64),
  pid: z.number().int().nullable(),
  command: z.string().max(300),
});
export type ListeningPort = z.infer<typeof portSchema>;

/** Plain requests: JSON in, JSON out. */
export const projectRequests = {
  "terminal.list": { request: z.object({}), reply: z.object({ terminals: z.array(terminalSchema) }) },
  "terminal.create": {
    request: z.object({
      /** The login shell unless said. */
      argv: z.array(z.string().max(10_000)).min(1).max(100).optional(),
      cwd: path.optional(),
      env: z.record(z.string(), z.string()).optional(),
      name: z.string().max(100).optional(),
      rows: rows.optional(),
      cols: cols.optional(),
    }),
    reply: terminalSchema,
  },
  /** Ends its processes (SIGHUP, then SIGKILL) and forgets it. */
  "terminal.close": { request: z.object({ terminal_id }), reply: z.object({}) },
  "terminal.rename": {
    request: z.object({ terminal_id, name: z.string().max(100) }),
    reply: terminalSchema,
  },
  /** Written into every terminal, as a line of its own; the programs do not see it. */
  "terminal.notice": { request: z.object({ text: z.string().max(300) }), reply: z.object({}) },
  /** Terminals that somebody looks at, and programs in their foregrounds. */
  activity: {
    request: z.object({}),
    reply: z.object({ viewed: z.number().int(), programs: z.array(z.string().max(100)).max(100) }),
  },
  /** Starts its command anew after it ended; the viewers stay. */
  "terminal.restart": { request: z.object({ terminal_id }), reply: terminalSchema },
  "files.list": {
    request: z.object({
      path,
      offset: z.number().int().min(0).optional(),
      limit: z.number().int().min(1).max(MAX_LIST_ENTRIES).optional(),
      /** `folders`: folders first, then as a person sorts names. Else by name alone, as a program does. */
      order: z.enum(["name", "folders"]).optional(),
      /** False: without names that begin with a dot. */
      hidden: z.boolean().optional(),
    }),
    /** Names are text of path-bytes.ts. `total` counts the whole directory; `home` is the absolute home. */
    reply: z.object({
      path: z.string().max(8192),
      home: z.string().max(4096),
      entries: z.array(fileSchema),
      total: z.number().int(),
    }),
  },
  "files.stat": { request: z.object({ path }), reply: fileSchema },
  "files.mkdir": { request: z.object({ path, parents: z.boolean().optional() }), reply: z.object({}) },
  /** `file.exists` when there is something at `to`, unless `overwrite`. */
  "files.rename": {
    request: z.object({ from: path, to: path, overwrite: z.boolean().optional() }),
    reply: z.object({}),
  },
  "files.remove": { request: z.object({ path, recursive: z.boolean().optional() }), reply: z.object({}) },
  ...fileRequests,
  ...editRequests,
  ...netRequests,
  ports: { request: z.object({}), reply: z.object({ ports: z.array(portSchema) }) },
  ...appRequests,
  ...snapshotRequests,
  /** The agent itself. */
  hello: {
    request: z.object({}),
    reply: z.object({
      project_id: z.string(),
      pid: z.number().int(),
      started_at: z.number(),
      home: z.string().max(4096),
      user: z.string().max(100),
    }),
  },
} as const;
export type ProjectRequest = keyof typeof projectRequests;

/**
 * Streams. `params` go with the opening; `up` are the messages of the opener, `down` those of the agent, beside
 * the bytes.
 */
export const projectStreams = {
  /**
   * Bytes both ways. First comes `snapshot`: the bytes that follow begin at output offset `from`; `reset` says that
   * the viewer must clear its screen before, because what it had seen (`since`) is no longer in the ring.
   * A viewer keeps `from` + bytes received, and gives it as `since` after a reconnect.
   */
  "terminal.attach": {
    params: z.object({ terminal_id, rows, cols, since: z.number().int().min(0).optional() }),
    up: z.object({ type: z.literal("resize"), rows, cols }),
    down: z.discriminatedUnion("type", [
      z.object({
        type: z.literal("snapshot"),
        from: z.number().int(),
        reset: z.boolean(),
        terminal: terminalSchema,
      }),
      /** This viewer was too slow: the output goes on at `from`; clear the screen. */
      z.object({ type: z.literal("skipped"), from: z.number().int() }),
      /** The terminal's size (the smallest of its viewers') and how many look at it. */
      z.object({ type: z.literal("size"), rows, cols, viewers: z.number().int() }),
      z.object({ type: z.literal("title"), title: z.string().max(300) }),
      z.object({ type: z.literal("name"), name: z.string().max(100) }),
      /** The program ended; `terminal.restart` starts it anew. */
      z.object({ type: z.literal("exit"), exit: exitSchema }),
      z.object({ type: z.literal("restarted"), pid: z.number().int() }),
    ]),
  },
  ...netStreams,
  /** Up: stdin, whose end is EOF. Down: chunks of `exec-output.ts`, then `exit`, then the end. */
  exec: {
    params: z.object({
      /** Either a program and its arguments … */
      argv: z.array(z.string().max(100_000)).min(1).max(1000).optional(),
      /** … or a line for the login shell (`$SHELL -lc`). Neither: an interactive login shell. */
      command: z.string().max(500_000).optional(),
      /** … or the image's own sftp-server (`exec.no-sftp` without one). */
      subsystem: z.literal("sftp").optional(),
      /**
       * As sshd runs a command: the shell is no login shell, whose profile may print; and when the stream breaks, a
       * command without a terminal loses its pipes and lives on: a program it left running must outlast the laptop's sleep.
       */
      as_sshd: z.boolean().optional(),
      cwd: path.optional(),
      env: z.record(z.string(), z.string()).optional(),
      /** A pseudo-terminal; stderr then comes with stdout. */
      tty: z.object({ rows, cols, term: z.string().max(60).optional() }).optional(),
    }),
    up: z.discriminatedUnion("type", [
      z.object({ type: z.literal("resize"), rows, cols }),
      z.object({ type: z.literal("signal"), signal: z.string().regex(/^SIG[A-Z0-9]{2,10}$/) }),
    ]),
    down: z.discriminatedUnion("type", [
      z.object({ type: z.literal("started"), pid: z.number().int() }),
      z.object({ type: z.literal("exit"), exit: exitSchema }),
    ]),
  },
  /** `file`, then the bytes, then the end. A file larger than `limit` is refused with `file.too-large`. */
  "files.read": {
    params: z.object({
      path,
      offset: z.number().int().min(0).optional(),
      length: z.number().int().min(0).optional(),
      limit: z.number().int().min(0).optional(),
    }),
    up: z.never(),
    down: z.object({ type: z.literal("file"), file: fileSchema }),
  },
  /**
   * Up: the bytes, then the end. Down: `written`, then the end; the file changes only then, as a whole.
   * `etag`: what the file must still have (`file.changed` if not); null: it must not exist; absent: whatever.
   */
  "files.write": {
    params: z.object({
      path,
      etag: z.string().max(100).nullable().optional(),
      mode: z.number().int().min(0).max(0o777).optional(),
    }),
    up: z.never(),
    down: z.object({ type: z.literal("written"), file: fileSchema }),
  },
  ...fileStreams,
  ...editStreams,
  /** Tells when a directory's entries, or a file, changed: at most five times a second. */
  "files.watch": {
    params: z.object({ path }),
    up: z.never(),
    down: z.object({ type: z.literal("changed"), names: z.array(z.string()).max(100) }),
  },
} as const;
export type ProjectStreamName = keyof typeof projectStreams;
export type ProjectService = ProjectRequest | ProjectStreamName | "changed";

/** Published as `project.<id>.changed`: what a list should load anew. */
export const projectChangedSchema = z.object({ kind: z.enum(["terminals", "apps"]) });
