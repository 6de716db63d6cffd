import { accessSync, constants } from "node:fs";
import { userInfo } from "node:os";
import { PROJECT_DIR_ENV, PROJECT_ID_ENV } from "../contract/agent-protocol.ts";

/** Who a project's processes run as, and from where. Read once: it does not change. */
export interface Surroundings {
  project_id: string;
  /** Of the project's files; paths are relative to it. */
  home: string;
  /** HOME of its processes: the same, unless the project is a folder of somebody's own. */
  user_home: string;
  user: string;
  shell: string;
  /** In a container: every process that is seen is the project's. */
  alone: boolean;
}

const SHELLS = ["/bin/bash", "/usr/bin/bash", "/bin/sh"];

function runnable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export function surroundings(env: Record<string, string | undefined>): Surroundings {
  // A uid without a passwd entry, as containers have them, makes userInfo throw.
  let info: { username: string; homedir: string } | undefined;
  try {
    info = userInfo();
  } catch {
    info = undefined;
  }
  const wanted = env.SHELL;
  const user_home = env.HOME ?? info?.homedir ?? "/";
  return {
    project_id: env[PROJECT_ID_ENV] ?? "",
    home: env[PROJECT_DIR_ENV] ?? user_home,
    user_home,
    alone: env[PROJECT_DIR_ENV] === undefined,
    user: env.USER ?? info?.username ?? "user",
    shell: [...(wanted === undefined ? [] : [wanted]), ...SHELLS].find(runnable) ?? "/bin/sh",
  };
}

/** Passed on from the agent's own environment when the host set it. All else, the token first, is not. */
const INHERITED = ["PATH", "LANG", "TZ", "http_proxy", "https_proxy", "no_proxy"];

/** The environment of a project's process. `extra` is the caller's: it runs with the project's rights anyway. */
export function childEnv(
  around: Surroundings,
  own: Record<string, string | undefined>,
  extra: Record<string, string> = {},
): Record<string, string> {
  const env: Record<string, string> = {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    LANG: "C.UTF-8",
  };
  for (const key of INHERITED) {
    const value = own[key];
    if (value !== undefined && value !== "") env[key] = value;
  }
  env.PATH = `${around.user_home}/.local/bin:${env.PATH}`;
  return {
    ...env,
    HOME: around.user_home,
    USER: around.user,
    LOGNAME: around.user,
    SHELL: around.shell,
    TERM: "xterm-256color",
    COLORTERM: "truecolor",
    [PROJECT_ID_ENV]: around.project_id,
    ...extra,
  };
}
