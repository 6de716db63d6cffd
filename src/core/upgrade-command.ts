/**
 * `upgrade`, of a hub and of a host alike: the installer that is here already takes the new release, checks it by the
 * key that was installed, and goes back by itself when the new version does not prove healthy.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { command } from "./cli.ts";
import { CodedError, EX } from "./errors.ts";
import { cleanEnv } from "./exec.ts";
import { isRoot } from "./service-users.ts";

const INSTALLER = "/usr/local/lib/cocalc/current/install.sh";

/** The installer's arguments. Errors: `upgrade.two-ways`. */
export function installerArgs(args: {
  from?: string | undefined;
  version?: string | undefined;
  rollback?: boolean | undefined;
}): string[] {
  if (args.rollback) {
    if (args.from === undefined && args.version === undefined) return ["--rollback"];
    throw new CodedError({
      code: "upgrade.two-ways",
      title: "--rollback goes back to the version before: it takes no other",
      fix: "Leave out --from and --version.",
      exit: EX.USAGE,
    });
  }
  return [
    ...(args.from === undefined ? [] : ["--offline", resolve(args.from)]),
    ...(args.version === undefined ? [] : ["--version", args.version]),
  ];
}

export default command({
  meta: {
    name: "upgrade",
    description:
      "Installs another version on this machine, as root; rolls back when it does not prove healthy",
  },
  args: {
    from: {
      type: "string",
      valueHint: "DIR",
      description: "An unpacked release or its .tar.gz, instead of the place this version came from",
    },
    version: { type: "string", valueHint: "V", description: "Which version, instead of the latest" },
    rollback: { type: "boolean", description: "Back to the version before the last upgrade" },
  },
  async run({ args }) {
    const argv = installerArgs(args);
    if (!existsSync(INSTALLER)) {
      throw new CodedError({
        code: "upgrade.not-installed",
        title: "There is no installation of ours on this machine",
        why: `There is no ${INSTALLER}: this program was started from a checkout, or by \`up\`.`,
        fix: "Build the new version and start it; or install this one: sh install.sh.",
        exit: EX.UNAVAILABLE,
      });
    }
    if (!isRoot()) {
      throw new CodedError({
        code: "upgrade.needs-root",
        title: "An upgrade replaces root's own files",
        fix: "Run the same command with sudo.",
        exit: EX.NOPERM,
      });
    }
    const run = Bun.spawn(["sh", INSTALLER, ...argv], {
      cwd: "/",
      env: cleanEnv(),
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
    });
    process.exitCode = await run.exited;
  },
});
