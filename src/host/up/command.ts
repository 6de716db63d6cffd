/** `cocalc-project-host up`: helper, daemon and connector under one supervisor, where there is no systemd. */
import { join } from "node:path";
import { command, common } from "../../core/cli.ts";
import { loadConfig } from "../../core/config.ts";
import { exec } from "../../core/exec.ts";
import { acquireLock } from "../../core/lock.ts";
import { logger } from "../../core/log.ts";
import { ensureDir, hostPaths } from "../../core/paths.ts";
import { ensureServiceUser, giveDir, isRoot } from "../../core/service-users.ts";
import { type ChildSpec, supervise } from "../../core/supervise.ts";
import { runtimeFlag } from "../process/plain.ts";
import { HOST_USER } from "../service-dir.ts";

const log = logger("up");
const STOP_ALL_TIMEOUT_MS = 20_000;
/** mkfs and, after a crash, the log's replay, on a slow disk. */
const STORAGE_TIMEOUT_MS = 120_000;

export default command({
  meta: { name: "up", description: "Runs this machine's project host: helper, daemon, connector" },
  args: {
    ...common,
    "base-port": { type: "string", description: "Base port of this machine; its HTTP is on base−198" },
    runtime: runtimeFlag,
    "keep-projects": { type: "boolean", description: "Leave projects running at the end" },
  },
  async run({ args }) {
    const { config } = loadConfig(process.env, { base_port: args["base-port"] });
    const user = isRoot() ? await ensureServiceUser(HOST_USER.name, HOST_USER.home) : undefined;
    const dataDir = args["data-dir"] ?? (user ? join(user.home, ".local/share/cocalc") : undefined);
    const paths = hostPaths(dataDir);
    if (user) {
      await giveDir(paths.dir, user);
      await giveDir(paths.run, user);
    } else {
      ensureDir(paths.dir);
      ensureDir(paths.run);
    }
    const lock = acquireLock(join(paths.run, "up.lock"), "cocalc-project-host up");
    const flags = [...(dataDir ? ["--data-dir", dataDir] : []), "--base-port", String(config.base_port)];
    const self = process.execPath;
    const child = (name: string, argv: string[], asRoot = false): ChildSpec => ({
      name,
      argv: [self, ...argv],
      ...(user && !asRoot ? { user } : {}),
    });
    const supervisor = supervise();
    const plain = args.runtime === "process";
    const runtime = plain ? ["--runtime", "process"] : [];
    // Before anything can write to where it belongs.
    if (!plain && user) await mountStorage(self, dataDir);
    if (!plain)
      supervisor.start(child("helper", ["helper", ...(dataDir ? ["--data-dir", dataDir] : [])], true));
    if (!plain && !user)
      log.warn(
        "not root: projects share this user's range of ids, and have no limits of memory and processes",
      );
    supervisor.start(child("host", ["serve", ...runtime, ...flags]));
    supervisor.start(child("connector", ["connector", ...flags]));
    await new Promise<void>((resolve) => {
      for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
    });
    await supervisor.end("host");
    if (!args["keep-projects"]) {
      const stopped = await exec(
        [self, "stop-all", ...runtime, ...(dataDir ? ["--data-dir", dataDir] : [])],
        {
          timeout: STOP_ALL_TIMEOUT_MS,
        },
      );
      if (stopped.code !== 0)
        log.warn("not all projects could be stopped", { said: stopped.stderr.slice(-500) });
    }
    await supervisor.stop();
    if (!plain && user && !args["keep-projects"]) {
      const gone = await exec([self, "storage", "unmount", ...flagsOf(dataDir)]);
      if (gone.code !== 0) log.warn("the pool is still mounted", { said: gone.stderr.slice(-500) });
    }
    lock.release();
    process.exit(0);
  },
});

const flagsOf = (dataDir: string | undefined) => (dataDir ? ["--data-dir", dataDir] : []);

/** A pool that cannot be mounted stops no daemon: its projects say so, and others go on. */
async function mountStorage(self: string, dataDir: string | undefined): Promise<void> {
  const mounted = await exec([self, "storage", "mount", "--auto", ...flagsOf(dataDir)], {
    timeout: STORAGE_TIMEOUT_MS,
  });
  if (mounted.code !== 0) log.error("the pool could not be mounted", { said: mounted.stderr.slice(-1000) });
  else log.info("storage", { said: mounted.stdout.trim() });
}
