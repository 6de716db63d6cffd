/** `project cp`: files and folders between this machine and a running project. */
import { lstatSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { problemOf } from "../../contract/client.ts";
import { archiveUrl, filesUrl } from "../../contract/files-http.ts";
import { callProject } from "../../contract/project-client.ts";
import type { FileInfo } from "../../contract/project-services.ts";
import { uploadFile } from "../../contract/upload.ts";
import { CodedError, EX, errnoOf, messageOf } from "../../core/errors.ts";
import { isRoot } from "../../core/service-users.ts";
import type { HubAccess } from "./client.ts";

export interface Copied {
  files: number;
  bytes: number;
}

interface Place {
  /** Undefined: on this machine. */
  project: string | undefined;
  path: string;
}

/** As scp has it: what is before the first colon is a project, unless a slash comes earlier. */
export function parsePlace(text: string): Place {
  const match = /^([^/:]+):(.*)$/s.exec(text);
  return match
    ? { project: match[1], path: match[2] === "" ? "." : (match[2] ?? ".") }
    : { project: undefined, path: text };
}

function fail(
  code: string,
  title: string,
  exit: number,
  rest: { why?: string; fix?: string } = {},
): CodedError {
  return new CodedError({ code, title, exit, ...rest });
}

/** How much went over, on a terminal only. */
function meter(): (copied: Copied) => void {
  let last = 0;
  return ({ files, bytes }) => {
    if (!process.stderr.isTTY || Date.now() - last < 200) return;
    last = Date.now();
    process.stderr.write(`\r${files} files, ${(bytes / 2 ** 20).toFixed(1)} MiB `);
  };
}

async function running(access: HubAccess, key: string) {
  const project = await access.api.projects.get(key);
  if (project.state === "running" && project.host_id !== null)
    return { id: project.project_id, host: project.host_id };
  throw new CodedError({
    code: "project.not-running",
    title: `The project ${project.name} is ${project.state}`,
    fix: "Start it first.",
    command: `cocalc-hub project start ${project.project_id}`,
    exit: EX.TEMPFAIL,
  });
}

async function statIn(access: HubAccess, project: { id: string; host: string }, path: string) {
  const host = await access.host(project.host);
  try {
    return await callProject(host, project.id, "files.stat", { path });
  } catch (error) {
    if (error instanceof CodedError && error.code === "file.not-found") return undefined;
    throw error;
  } finally {
    host.close();
  }
}

const isFolder = (file: FileInfo | undefined) =>
  file?.type === "directory" || file?.target_type === "directory";

async function into(access: HubAccess, from: string, to: Place, replace: boolean): Promise<Copied> {
  const project = await running(access, to.project ?? "");
  const stats = lstatSync(from, { throwIfNoEntry: false });
  if (!stats) throw fail("cli.no-such-file", `There is no ${from}`, EX.NOINPUT);
  const inside = to.path.endsWith("/") || isFolder(await statIn(access, project, to.path));
  const target = inside ? `${to.path.replace(/\/+$/, "")}/${basename(resolve(from))}` : to.path;
  const copied: Copied = { files: 0, bytes: 0 };
  const show = meter();
  const host = await access.host(project.host);
  const send = async (local: string, remote: string): Promise<void> => {
    const file = statSync(local);
    if (file.isDirectory()) {
      await callProject(host, project.id, "files.mkdir", { path: remote, parents: true });
      for (const name of readdirSync(local).sort()) await send(join(local, name), `${remote}/${name}`);
      return;
    }
    if (!file.isFile())
      throw fail("cli.not-regular", `${local} is no regular file`, EX.DATAERR, {
        why: "Pipes, sockets and devices have no content to copy.",
      });
    const handle = await open(local, "r");
    const before = copied.bytes;
    try {
      await uploadFile(
        access.fetch,
        { project_id: project.id, path: remote, existing: replace ? "replace" : "refuse" },
        {
          size: file.size,
          modified: file.mtimeMs,
          async read(offset, length) {
            const bytes = new Uint8Array(length);
            for (let at = 0; at < length; ) {
              const { bytesRead } = await handle.read(bytes, at, length - at, offset + at);
              if (bytesRead === 0)
                throw fail("cli.file-shrank", `${local} became shorter while it was read`, EX.TEMPFAIL);
              at += bytesRead;
            }
            return bytes;
          },
        },
        (sent) => show({ ...copied, bytes: before + sent }),
      );
    } finally {
      await handle.close();
    }
    copied.files += 1;
    copied.bytes = before + file.size;
    show(copied);
  };
  try {
    await send(from, target);
  } finally {
    host.close();
  }
  return copied;
}

async function answer(
  access: HubAccess,
  url: string,
  headers: Record<string, string> = {},
): Promise<Response> {
  const response = await access.fetch(url, { headers });
  if (!response.ok) throw await problemOf(response);
  return response;
}

/** Into a file beside the place, then a rename; a line that breaks is taken up again where it broke. */
async function downloadFile(access: HubAccess, url: string, to: string, size: (n: number) => void) {
  const part = `${to}.part`;
  const file = await open(part, "w");
  let at = 0;
  try {
    let etag = "";
    for (let failures = 0; ; ) {
      try {
        const response = await answer(access, url, at > 0 ? { range: `bytes=${at}-`, "if-range": etag } : {});
        if (response.status === 200) at = 0;
        etag = response.headers.get("etag") ?? "";
        for await (const bytes of response.body ?? []) {
          for (let done = 0; done < bytes.length; ) {
            const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at);
            done += bytesWritten;
            at += bytesWritten;
          }
          size(at);
          failures = 0;
        }
        const length = Number(
          response.headers.get("content-range")?.split("/")[1] ?? response.headers.get("content-length"),
        );
        if (at >= length) break;
      } catch (error) {
        const local = errnoOf(error) === "ENOSPC" || errnoOf(error) === "EIO";
        if (local || (error instanceof CodedError && error.status < 502)) throw error;
        if (++failures > 10) throw error;
      }
      await Bun.sleep(1000);
    }
    await file.truncate(at);
    await file.sync();
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  renameSync(part, to);
  return at;
}

async function outOf(access: HubAccess, from: Place, to: string, replace: boolean): Promise<Copied> {
  const project = await running(access, from.project ?? "");
  const source = await statIn(access, project, from.path);
  if (!source) throw fail("file.not-found", `There is no ${from.path} in the project`, EX.NOINPUT);
  const name = from.path.replace(/\/+$/, "").split("/").pop() || "files";
  const target = statSync(to, { throwIfNoEntry: false })?.isDirectory() ? join(to, name) : to;
  if (!replace && lstatSync(target, { throwIfNoEntry: false }))
    throw fail("file.exists", `There is a ${target} already`, EX.CANTCREAT, {
      why: "Nothing was written over it.",
      fix: "Say --replace, or choose another name.",
    });
  const show = meter();
  if (!isFolder(source)) {
    const bytes = await downloadFile(access, filesUrl(project.id, "download", from.path), target, (n) =>
      show({ files: 1, bytes: n }),
    );
    return { files: 1, bytes };
  }
  const response = await answer(access, archiveUrl(project.id, [from.path], "tar"));
  mkdirSync(target, { recursive: true });
  // The archive's first step is the folder's own name, which gives way to the one asked for.
  const unpack = ["tar", "-C", target, "--strip-components=2", "--no-same-owner", "--no-same-permissions"];
  // A project is hostile, and root may be who asks: no device comes out of its archive.
  const guard = isRoot() ? ["setpriv", "--bounding-set", "-mknod"] : [];
  const tar = Bun.spawn([...guard, ...unpack, "-xvf", "-"], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const copied: Copied = { files: 0, bytes: 0 };
  const counting = (async () => {
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of tar.stdout) {
      const lines = (text + decoder.decode(chunk, { stream: true })).split("\n");
      text = lines.pop() ?? "";
      copied.files += lines.filter((line) => !line.endsWith("/")).length;
    }
  })();
  try {
    for await (const bytes of response.body ?? []) {
      tar.stdin.write(bytes);
      await tar.stdin.flush();
      copied.bytes += bytes.length;
      show(copied);
    }
  } catch (error) {
    tar.kill();
    throw new CodedError(
      {
        code: "archive.cut",
        title: "The folder did not come whole",
        why: `${messageOf(error)}. The line broke, or something in it cannot be read by the project's user.`,
        fix: `What came is in ${target}. Try again with --replace.`,
        exit: EX.TEMPFAIL,
      },
      { cause: error },
    );
  }
  await tar.stdin.end();
  await counting;
  if ((await tar.exited) !== 0) throw fail("archive.unpack", "tar could not unpack what came", EX.IOERR);
  return copied;
}

export async function copyFiles(
  access: HubAccess,
  from: string,
  to: string,
  replace: boolean,
): Promise<Copied> {
  const [source, target] = [parsePlace(from), parsePlace(to)];
  if ((source.project === undefined) === (target.project === undefined)) {
    throw fail("cli.which-project", "One of the two must be in a project, the other here", EX.USAGE, {
      fix: "cocalc-hub project cp data.csv climate:data/, or climate:results ./results",
    });
  }
  return target.project === undefined
    ? await outOf(access, source, target.path, replace)
    : await into(access, source.path, target, replace);
}
