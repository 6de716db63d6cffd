/**
 * Files of one project into another on the same host, with the target's own rights and in a jail of its own. Where both
 * lie on one file system that can, the copies share their bytes on the disk until either changes them (reflinks).
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Progress, Task } from "../../../contract/backup-job.ts";
import { CodedError, EX } from "../../../core/errors.ts";
import { cleanEnv } from "../../../core/exec.ts";

const KEPT_LINES = 100;

/** What cp says of one path, and whether it copied all of it. */
async function cp(from: string, to: string): Promise<{ code: number; said: string[] }> {
  const proc = Bun.spawn(["cp", "-a", "--reflink=auto", "--no-target-directory", "--", from, to], {
    cwd: "/",
    env: cleanEnv(),
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const said = (await new Response(proc.stderr).text()).split("\n").filter((line) => line.trim() !== "");
  return { code: await proc.exited, said };
}

/** Below `source` and `home` are the two projects' homes. What cp left out comes back, one line each. */
export async function copyPaths(
  task: Extract<Task, { kind: "copy-paths" }>,
  places: { source: string; home: string },
  onProgress: (progress: Progress) => void,
): Promise<string[]> {
  const warnings: string[] = [];
  for (const path of task.paths) {
    onProgress({ phase: `copying ${path}`.slice(0, 100) });
    const to = join(places.home, task.into, path);
    mkdirSync(join(to, ".."), { recursive: true });
    const { code, said } = await cp(join(places.source, path), to);
    if (code === 0) continue;
    const why = said.slice(0, 3).join("\n").slice(0, 1_000) || `cp ended with status ${code}`;
    if (/no space|quota/i.test(why)) {
      throw new CodedError({
        code: "copy.no-space",
        title: "There is no room for the copy",
        why,
        fix: `What was copied is in the folder ${task.into}. Free some space, or raise the project's disk limit.`,
        exit: EX.CANTCREAT,
      });
    }
    if (said.some((line) => line.startsWith("cp: cannot stat") && line.includes(`/${path}'`))) {
      throw new CodedError({
        code: "copy.no-path",
        title: `There is no ${path.slice(0, 300)} in the project to copy from`,
        fix: "See what is there.",
        exit: EX.NOINPUT,
      });
    }
    warnings.push(...said.map((line) => line.slice(0, 1_000)));
  }
  return warnings.slice(0, KEPT_LINES);
}
