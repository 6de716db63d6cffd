/** OpenSSH's own programs: found, and their absence named with the package that brings them. */
import { existsSync } from "node:fs";
import { CodedError, EX } from "../../core/errors.ts";
import { exec } from "../../core/exec.ts";

const PLACES: Record<string, string[]> = {
  sshd: ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/sbin/sshd"],
  "ssh-keygen": ["/usr/bin/ssh-keygen", "/usr/local/bin/ssh-keygen"],
  "sftp-server": [
    "/usr/lib/openssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/lib/ssh/sftp-server",
    "/usr/libexec/sftp-server",
  ],
};

/** Absolute path. Error `openssh.missing` (69). */
export function findProgram(
  name: keyof typeof PLACES & string,
  exists: (path: string) => boolean = existsSync,
): string {
  const found = PLACES[name]?.find((path) => exists(path));
  if (found !== undefined) return found;
  throw new CodedError({
    code: "openssh.missing",
    title: `${name} is not installed`,
    why: `Looked in ${PLACES[name]?.join(", ")}.`,
    fix: "Install the OpenSSH server; it need not be started.",
    command: "apt-get install openssh-server",
    exit: EX.UNAVAILABLE,
  });
}

export async function sshdVersion(sshd: string): Promise<[number, number]> {
  // Older ones know no -V and print their version with the usage error.
  const { stderr, stdout } = await exec([sshd, "-V"]);
  const match = /OpenSSH_(\d+)\.(\d+)/.exec(stderr + stdout);
  return match ? [Number(match[1]), Number(match[2])] : [9, 0];
}
