/** Whether a program is there for a login shell: conda, nvm and ~/.local/bin are in its PATH, not in the agent's. */
import type { AppDefinition } from "../../contract/apps.ts";
import { CodedError } from "../../core/errors.ts";
import { exec } from "../../core/exec.ts";
import { childEnv, type Surroundings } from "../child-env.ts";

const ASK_TIMEOUT_MS = 5_000;
const BELIEVED_MS = 5_000;
/** Where a Debian package puts a server that it does not put in the PATH. */
const BESIDE = "/usr/lib/rstudio-server/bin";

let known: { path: string; until: number } | undefined;

export async function searchPath(
  around: Surroundings,
  env: Record<string, string | undefined>,
): Promise<string> {
  if (known && known.until > Date.now()) return known.path;
  const mine = childEnv(around, env);
  const asked = await exec([around.shell, "-lc", "printenv PATH"], {
    env: mine,
    cwd: around.home,
    timeout: ASK_TIMEOUT_MS,
  });
  // A profile may print what it likes; PATH is the last line.
  const line = asked.code === 0 ? asked.stdout.trimEnd().split("\n").pop() : undefined;
  known = {
    path: `${around.home}/.local/bin:${line ?? mine.PATH ?? ""}:${BESIDE}`,
    until: Date.now() + BELIEVED_MS,
  };
  return known.path;
}

/** What to say where the app's program is missing; undefined where it is there. */
export async function missing(
  definition: AppDefinition,
  around: Surroundings,
  env: Record<string, string | undefined>,
): Promise<CodedError | undefined> {
  const { needs, title, install } = definition;
  if (needs === undefined) return undefined;
  const PATH = await searchPath(around, env);
  if (Bun.which(needs, { PATH }) !== null) return undefined;
  // It may have been installed this very moment.
  known = undefined;
  return new CodedError({
    code: "app.not-installed",
    title: `${title} is not installed in this project`,
    why: `There is no ${needs} in the PATH of its login shell.`,
    fix:
      install === undefined
        ? `Install ${needs}, then start it again.`
        : "Run this in a terminal of the project, then start it again.",
    ...(install === undefined ? {} : { command: install }),
    status: 404,
  });
}
