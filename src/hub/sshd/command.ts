/** `cocalc-hub sshd`: renders the configuration, waits until there is need, then keeps OpenSSH's sshd in the foreground. */
import { existsSync } from "node:fs";
import type { Subprocess } from "bun";
import { command, common } from "../../core/cli.ts";
import { loadConfig } from "../../core/config.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { cleanEnv, exec } from "../../core/exec.ts";
import { logger } from "../../core/log.ts";
import { serviceNotifier } from "../../core/notify.ts";
import { ensureDir, hubPaths } from "../../core/paths.ts";
import { derivePorts, portInUse, portOwner } from "../../core/ports.ts";
import { writeFileAtomic } from "../../core/state-file.ts";
import { prepareSshdFiles, sshdFiles } from "./files.ts";
import { findProgram, sshdVersion } from "./programs.ts";
import { renderSshdConfig } from "./render.ts";
import { endSessions } from "./sessions.ts";

const log = logger("sshd");
const WAIT_MS = 250;
/** After a crash; the supervisor's own backoff is for our crashes. */
const RESTART_MS = 500;

export default command({
  meta: { name: "sshd", description: "Runs OpenSSH's sshd for tunnels and pairing, in the foreground" },
  args: {
    ...common,
    "base-port": { type: "string", description: "Base port; sshd listens on base+1" },
    "keep-sessions": {
      type: "boolean",
      description: "Leave live tunnels alone at the end (for a service manager that restarts it)",
    },
    check: { type: "boolean", description: "Render and check the configuration, then end" },
  },
  async run({ args }) {
    const { config } = loadConfig(process.env, { base_port: args["base-port"] });
    const paths = hubPaths(args["data-dir"], config.data_dir ?? undefined);
    const port = derivePorts(config.base_port).sshd;
    const sshd = findProgram("sshd");
    findProgram("ssh-keygen");
    findProgram("sftp-server");
    ensureDir(paths.dir);
    prepareSshdFiles(paths);
    const files = sshdFiles(paths);
    const version = await sshdVersion(sshd);
    writeFileAtomic(
      files.config,
      renderSshdConfig({ port, hostKey: files.hostKey, authorizedKeys: files.authorizedKeys, version }),
    );
    if (process.getuid?.() === 0) ensureDir("/run/sshd", 0o755);
    const test = await exec([sshd, "-t", "-f", files.config]);
    if (test.code !== 0) {
      throw new CodedError({
        code: "sshd.config-refused",
        title: "sshd refuses the configuration made for it",
        why: test.stderr.trim(),
        fix: "This is a mistake of ours, or of an unusual OpenSSH: please report it with this text.",
        exit: EX.CONFIG,
      });
    }
    if (args.check) return;
    serviceNotifier().ready("waiting for the first machine that joins");
    while (!existsSync(files.needed)) await Bun.sleep(WAIT_MS);
    await keepRunning(sshd, files.config, port, args["keep-sessions"] === true);
  },
});

async function keepRunning(
  sshd: string,
  config: string,
  port: number,
  keepSessions: boolean,
): Promise<never> {
  let ending = false;
  let listener: Subprocess | undefined;
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      ending = true;
      serviceNotifier().stopping();
      listener?.kill("SIGTERM");
    });
  }
  for (;;) {
    if (ending) process.exit(0);
    if (portOwner(port) !== null) throw portInUse(port, "sshd");
    log.info("starting sshd", { port });
    // The death signal: a listener that outlived us would hold the port against our successor.
    listener = Bun.spawn(["setpriv", "--pdeathsig=TERM", "--", sshd, "-D", "-e", "-f", config], {
      cwd: "/",
      env: cleanEnv(),
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
    });
    serviceNotifier().status(`OpenSSH listens on port ${port}`);
    const code = await listener.exited;
    if (ending) {
      if (!keepSessions) endSessions(port);
      process.exit(0);
    }
    serviceNotifier().status(`OpenSSH ended with status ${code}; starting it again`);
    // Only the listener ended: sessions are processes of their own, and a restart cuts nobody.
    log.warn("sshd ended; starting it again", { code });
    await Bun.sleep(RESTART_MS);
  }
}
