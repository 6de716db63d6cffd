/**
 * How the helper's work is done: as root, or, where nobody gave us root, as an ordinary user inside podman's user and
 * mount namespace (`podman unshare`), which has this user's range of /etc/subuid. The second kind isolates less: all
 * projects share that range, so an escape lands on the service user and on other projects.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { CodedError, EX } from "../../core/errors.ts";
import { cleanEnv, type ExecOptions, type ExecResult, exec, execOk } from "../../core/exec.ts";
import { globalFlags, writePodmanConfig } from "./podman-config.ts";
import { RANGE } from "./uid-ranges.ts";

export interface Privilege {
  kind: "root" | "rootless";
  /** What each process of it needs in its environment. */
  env: Record<string, string>;
  /** The same command with the rights it needs. */
  wrap(argv: string[]): string[];
  /** Like core's exec and execOk, with those rights. */
  exec(argv: string[], options?: ExecOptions): Promise<ExecResult>;
  execOk(argv: string[], options?: ExecOptions): Promise<string>;
  /** Once nothing runs: ends what was only kept for the next call. */
  release(): void;
  /** Rootless: what inside-id 0 would be, were the map one range: inside 1000 is this + 1000. */
  base: number | undefined;
}

export const asRoot: Privilege = {
  kind: "root",
  env: {},
  wrap: (argv) => argv,
  exec,
  execOk,
  release: () => {},
  base: undefined,
};

/** First of a user's subordinate ids, when they are at least {@link RANGE} − 1. By name or number, as usermod writes either. */
export function subordinate(text: string, name: string, uid: number): number | undefined {
  for (const line of text.split("\n")) {
    const [who, first, count] = line.split(":");
    if ((who === name || who === String(uid)) && Number(count) >= RANGE - 1 && Number(first) > 0)
      return Number(first);
  }
  return undefined;
}

/** Podman's pause process holds the namespaces, with all mounts in them; the next call makes another. */
function endPause(run: string): void {
  const file = `${run}/libpod/tmp/pause.pid`;
  if (!existsSync(file)) return;
  const pid = Number(readFileSync(file, "utf8"));
  const cmdline = `/proc/${pid}/cmdline`;
  if (pid > 1 && existsSync(cmdline) && readFileSync(cmdline, "utf8").includes("podman"))
    process.kill(pid, "SIGKILL");
  rmSync(file, { force: true });
}

/** Setting, the value that forbids them, one that does not. Ubuntu's AppArmor rule is not here: podman has a profile. */
const USER_NAMESPACES = [
  ["user.max_user_namespaces", "0", 15_000],
  ["kernel.unprivileged_userns_clone", "0", 1],
] as const;

/**
 * Errors: `runtime.no-subuid`, `runtime.no-newuidmap`, `runtime.no-podman`, `runtime.no-user-namespaces`: each with the
 * command that mends it.
 */
export function rootless(storage: string, run: string): Privilege {
  const uid = process.getuid?.() ?? 0;
  // Not os.userInfo(): under Bun that is $USER, which a clean environment may lack. And not /etc/passwd, as users may
  // come from LDAP.
  const username = Bun.spawnSync(["id", "-un"], { env: cleanEnv(), cwd: "/" }).stdout.toString().trim();
  const read = (path: string) => (existsSync(path) ? readFileSync(path, "utf8") : "");
  const first = subordinate(read("/etc/subuid"), username, uid);
  if (first === undefined || subordinate(read("/etc/subgid"), username, uid) === undefined) {
    throw new CodedError({
      code: "runtime.no-subuid",
      title: `The user ${username} has no range of subordinate ids`,
      why: "Containers without root need 65,536 of them in /etc/subuid and in /etc/subgid.",
      fix: "Give it one, or start the project host as root.",
      command: `sudo usermod --add-subuids 1000000-1065535 --add-subgids 1000000-1065535 ${username}`,
      exit: EX.UNAVAILABLE,
    });
  }
  const path = cleanEnv().PATH ?? "";
  const podman = Bun.which("podman", { PATH: path });
  for (const [program, pkg] of [
    ["podman", "podman"],
    ["newuidmap", "uidmap"],
  ] as const) {
    if (Bun.which(program, { PATH: path }) !== null) continue;
    throw new CodedError({
      code: `runtime.no-${program}`,
      title: `${program} is not installed`,
      why: "Containers without root need it.",
      fix: `Install the package ${pkg}.`,
      command: `sudo apt-get install -y ${pkg}`,
      exit: EX.UNAVAILABLE,
    });
  }
  for (const [key, forbids, allowed] of USER_NAMESPACES) {
    const value = read(`/proc/sys/${key.replaceAll(".", "/")}`).trim();
    if (value !== forbids) continue;
    throw new CodedError({
      code: "runtime.no-user-namespaces",
      title: "This machine forbids user namespaces to ordinary users",
      why: `${key} is ${value}; containers without root are made of them.`,
      fix: "Allow them, or start the project host as root.",
      command: `sudo sysctl -w ${key}=${allowed}`,
      exit: EX.UNAVAILABLE,
    });
  }
  // A runtime directory of our own gives us a pause process, and with it a mount namespace, of our own.
  const env = { XDG_RUNTIME_DIR: run, CONTAINERS_CONF: writePodmanConfig(run) };
  const flags = globalFlags(storage, run);
  const wrap = (argv: string[]) => [podman ?? "podman", ...flags, "unshare", ...argv];
  const withEnv = (options: ExecOptions = {}): ExecOptions => ({
    ...options,
    env: { ...options.env, ...env },
  });
  return {
    kind: "rootless",
    env,
    wrap,
    exec: (argv, options) => exec(wrap(argv), withEnv(options)),
    execOk: (argv, options) => execOk(wrap(argv), withEnv(options)),
    release: () => endPause(run),
    base: first - 1,
  };
}
