/** Calls into a project, typed and with the answers parsed: an agent's word is untrusted. For UI, CLI and tests. */
import type { z } from "zod";
import type { Caller } from "../conat/caller.ts";
import type { ConatStream } from "../conat/stream.ts";
import { CodedError } from "../core/errors.ts";
import { ExecDecoder } from "./exec-output.ts";
import {
  type Exit,
  type FileInfo,
  MAX_EDIT_BYTES,
  type ProjectRequest,
  type ProjectStreamName,
  projectRequests,
  projectStreams,
  projectSubject,
} from "./project-services.ts";

type RequestOf<K extends ProjectRequest> = z.input<(typeof projectRequests)[K]["request"]>;
type ReplyOf<K extends ProjectRequest> = z.output<(typeof projectRequests)[K]["reply"]>;
type ParamsOf<K extends ProjectStreamName> = z.input<(typeof projectStreams)[K]["params"]>;
type DownOf<K extends ProjectStreamName> = z.output<(typeof projectStreams)[K]["down"]>;
type UpOf<K extends ProjectStreamName> = z.input<(typeof projectStreams)[K]["up"]>;

/** @example await callProject(client, id, "files.list", { path: "." }) */
export async function callProject<K extends ProjectRequest>(
  caller: Caller,
  project_id: string,
  name: K,
  data: RequestOf<K>,
  options?: { timeout?: number },
): Promise<ReplyOf<K>> {
  const reply = await caller.request(projectSubject(project_id, name), data, options);
  return projectRequests[name].reply.parse(reply) as ReplyOf<K>;
}

export interface ProjectStream<K extends ProjectStreamName> {
  stream: ConatStream;
  send(message: UpOf<K>): void;
  /** Messages that do not parse reset the stream. */
  onMessage(callback: (message: DownOf<K>) => void): void;
}

/** @example const { stream, onMessage } = await openProject(client, id, "terminal.attach", {…}) */
export async function openProject<K extends ProjectStreamName>(
  caller: Caller,
  project_id: string,
  name: K,
  params: ParamsOf<K>,
): Promise<ProjectStream<K>> {
  const stream = await caller.openStream(projectSubject(project_id, name), params);
  return {
    stream,
    send: (message) => stream.sendMessage(message),
    onMessage: (callback) =>
      stream.onMessage((message) => callback(projectStreams[name].down.parse(message) as DownOf<K>)),
  };
}

function closing(stream: ConatStream): Promise<void> {
  return new Promise((resolve, reject) =>
    stream.onClose((error) => (error === undefined ? resolve() : reject(error))),
  );
}

/**
 * A file's bytes. `limit` is {@link MAX_EDIT_BYTES} unless said; a larger file is `file.too-large`.
 * @example const { bytes, file } = await readFile(client, id, "notes.md")
 */
export async function readFile(
  caller: Caller,
  project_id: string,
  path: string,
  limit = MAX_EDIT_BYTES,
): Promise<{ bytes: Uint8Array; file: FileInfo }> {
  const { stream, onMessage } = await openProject(caller, project_id, "files.read", { path, limit });
  const closed = closing(stream);
  const chunks: Uint8Array[] = [];
  let size = 0;
  let file: FileInfo | undefined;
  onMessage((message) => {
    file = message.file;
  });
  stream.onData((bytes) => {
    size += bytes.length;
    if (size > limit)
      stream.reset(new CodedError({ code: "file.too-large", title: "The file grew too large" }));
    else chunks.push(bytes);
  });
  stream.end();
  await closed;
  if (file === undefined)
    throw new CodedError({ code: "agent.malformed", title: "The file came without its name" });
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return { bytes, file };
}

/** As {@link readFile}, as text; `file.binary` when it is not UTF-8. Give `file.etag` back to {@link writeFile}. */
export async function readTextFile(
  caller: Caller,
  project_id: string,
  path: string,
): Promise<{ text: string; file: FileInfo }> {
  const { bytes, file } = await readFile(caller, project_id, path);
  try {
    // NUL is valid UTF-8, and the surest sign of a binary.
    if (!bytes.includes(0))
      return { text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes), file };
  } catch {
    // Told below.
  }
  throw new CodedError({
    code: "file.binary",
    title: `${file.name} is no text`,
    why: "It holds bytes that are not UTF-8.",
    fix: "Download it instead.",
    status: 422,
  });
}

/** Replaces a file as a whole. With `etag`: `file.changed` when somebody else wrote it meanwhile. */
export async function writeFile(
  caller: Caller,
  project_id: string,
  path: string,
  content: string | Uint8Array,
  options: { etag?: string | null; mode?: number } = {},
): Promise<FileInfo> {
  const { stream, onMessage } = await openProject(caller, project_id, "files.write", { path, ...options });
  const closed = closing(stream);
  let file: FileInfo | undefined;
  onMessage((message) => {
    file = message.file;
  });
  const writing = stream.write(typeof content === "string" ? new TextEncoder().encode(content) : content);
  // A refusal comes as the stream's end; the write's own rejection says the same.
  writing.catch(() => {});
  stream.end();
  await closed;
  if (file === undefined)
    throw new CodedError({ code: "agent.malformed", title: "The write was not confirmed" });
  return file;
}

export interface RunResult {
  stdout: Uint8Array;
  stderr: Uint8Array;
  exit: Exit;
}

/** Runs a command to its end and keeps its output, up to `limit` bytes (10 MiB unless said; `exec.too-large`). */
export async function runCommand(
  caller: Caller,
  project_id: string,
  params: ParamsOf<"exec">,
  options: { stdin?: Uint8Array; limit?: number } = {},
): Promise<RunResult> {
  const limit = options.limit ?? 10 * 1024 * 1024;
  const { stream, onMessage } = await openProject(caller, project_id, "exec", params);
  const closed = closing(stream);
  const decoder = new ExecDecoder();
  const output: Record<1 | 2, Uint8Array[]> = { 1: [], 2: [] };
  let size = 0;
  let exit: Exit | undefined;
  onMessage((message) => {
    if (message.type === "exit") exit = message.exit;
  });
  stream.onData((bytes) => {
    size += bytes.length;
    if (size > limit) {
      stream.reset(
        new CodedError({ code: "exec.too-large", title: `More than ${limit} bytes of output came` }),
      );
      return;
    }
    decoder.push(bytes, (fd, part) => output[fd].push(part));
  });
  if (options.stdin !== undefined) stream.write(options.stdin).catch(() => {});
  stream.end();
  await closed;
  if (exit === undefined)
    throw new CodedError({ code: "agent.malformed", title: "The command ended without a status" });
  return { stdout: joined(output[1]), stderr: joined(output[2]), exit };
}

function joined(parts: Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
