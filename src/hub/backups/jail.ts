/**
 * The jail that every backup key ends in. Whether it holds is tried, not assumed: an unprivileged user namespace may be
 * forbidden (AppArmor on Ubuntu, a sysctl, a container), and then the key lines are not written at all.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CodedError, EX, messageOf } from "../../core/errors.ts";
import { execOk } from "../../core/exec.ts";
import type { HubPaths } from "../../core/paths.ts";
import { FXP, type SftpWire, str, u32 } from "../../core/sftp-wire.ts";
import { writeFileAtomic } from "../../core/state-file.ts";
import { findProgram } from "../sshd/programs.ts";
import { shellWord } from "../sshd/render.ts";
import jailScript from "./sftp-jail.sh" with { type: "text" };

export interface JailFiles {
  script: string;
  passwd: string;
  server: string;
}

export function jailFiles(paths: HubPaths): JailFiles {
  return {
    script: join(paths.ssh, "sftp-jail"),
    passwd: join(paths.ssh, "jail-passwd"),
    server: findProgram("sftp-server"),
  };
}

/**
 * Writes the forced command and the one line of passwd that it shows: nothing else of this machine is told. `user` is
 * whom sshd runs as, by name or number.
 */
export async function prepareJail(
  paths: HubPaths,
  user = String(process.getuid?.() ?? 0),
): Promise<JailFiles> {
  const files = jailFiles(paths);
  const [name, , uid, gid] = (await execOk(["getent", "passwd", user])).trim().split(":");
  writeFileAtomic(files.script, jailScript, 0o700);
  writeFileAtomic(files.passwd, `${name}:x:${uid}:${gid}::/repo:/usr/sbin/nologin\n`, 0o644);
  return files;
}

/** A line for `sh -c`, as a key's forced command. `readOnly`: it can fetch, and add nothing. */
export function jailCommand(files: JailFiles, repository: string, readOnly = false): string {
  const words = [files.script, repository, files.server, files.passwd, ...(readOnly ? ["-R"] : [])];
  return `exec ${words.map(shellWord).join(" ")}`;
}

/** ssh's own words when nobody, or no sshd of ours, is at the port: nothing is known of the jail then. */
const NO_SSHD = /connect to host|kex_exchange_identification|Host key verification failed/;

function noJail(why: string): CodedError {
  const [fix, command] = /bwrap.*not found|ENOENT|No such file/.test(why)
    ? ["Install bubblewrap", "apt-get install bubblewrap"]
    : [
        "Let unprivileged users make namespaces. On Ubuntu, AppArmor forbids it until told otherwise",
        "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 kernel.unprivileged_userns_clone=1",
      ];
  return new CodedError({
    code: "backup.no-jail",
    title: "Backups over SFTP are closed: the jail for them does not work on this machine",
    why,
    fix: `${fix}; it is tried again within a minute.`,
    command,
    exit: EX.UNAVAILABLE,
  });
}

function noSshd(why: string): CodedError {
  return new CodedError({
    code: "backup.jail-untried",
    title:
      "Backups over SFTP are closed: the hub's own sshd does not answer, so that their jail could not be tried",
    why,
    fix: "See why sshd does not run; the jail is tried again within a minute.",
    command: "systemctl status cocalc-sshd",
    exit: EX.UNAVAILABLE,
  });
}

/** Neither that it holds nor that it does not: a machine under load, one that has just booted, an sshd that hangs. */
function silent(why: string): CodedError {
  return new CodedError({
    code: "backup.jail-untried",
    title: "The jail for backups over SFTP did not answer in time, so that it could not be tried",
    why,
    fix: "Nothing, if this machine is busy or has just booted: it is tried again within a minute. Else see what sshd's log says.",
    command: "journalctl -u cocalc-sshd -n 50",
    exit: EX.UNAVAILABLE,
  });
}

/**
 * Tries in a jail that `open` leads into, over the directory `scratch` (made anew, gone afterwards), what must work and
 * what must fail. Errors: `backup.no-jail` with the cause, and then no key may lead anywhere; `backup.jail-untried`.
 */
export async function probeJail(open: () => Promise<SftpWire>, scratch: string): Promise<void> {
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch, { mode: 0o700 });
  const kept = join(scratch, "kept");
  writeFileSync(kept, "before", { mode: 0o444 });
  let wire: SftpWire | undefined;
  try {
    wire = await open();
    if (!(await wire.put("new", Buffer.from("x")))) throw new Error("a new file cannot be written in it");
    const escapes: [what: string, happened: boolean][] = [
      ["a file is written over", await wire.put("kept", Buffer.from("after"))],
      ["a file is removed", (await wire.request(FXP.REMOVE, str("kept"))).status === 0],
      ["a directory is made", (await wire.request(FXP.MKDIR, str("dir"), u32(0))).status === 0],
      ["a file outside is written", await wire.put("/outside", Buffer.from("x"))],
      ["this machine's files are read", (await wire.get(kept)) !== undefined],
    ];
    const escaped = escapes.find(([, happened]) => happened);
    if (escaped) throw new Error(`it does not hold: ${escaped[0]}`);
    if (readdirSync(scratch).length !== 2) throw new Error("it does not hold: files came or went");
  } catch (error) {
    const why = error instanceof CodedError ? (error.details.why ?? error.message) : messageOf(error);
    if (error instanceof CodedError && error.code === "sftp.timeout") throw silent(why);
    throw NO_SSHD.test(why) ? noSshd(why) : noJail(why);
  } finally {
    wire?.close();
    rmSync(scratch, { recursive: true, force: true });
  }
}
