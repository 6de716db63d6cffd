/** `cocalc-project-host serve`: runs this machine's projects for its hub, in the foreground. */
import { command, common } from "../core/cli.ts";
import { loadConfig } from "../core/config.ts";
import { EX } from "../core/errors.ts";
import { logger } from "../core/log.ts";
import { serviceNotifier } from "../core/notify.ts";
import { ensureDir, hostPaths } from "../core/paths.ts";
import { derivePorts } from "../core/ports.ts";
import { startHost } from "./daemon.ts";
import { helperClient } from "./helper/client.ts";
import { identityChanged } from "./identity-watch.ts";
import { plainRuntime, runtimeFlag } from "./process/plain.ts";
import { type HostState, hostKey, readHostState } from "./state.ts";

const log = logger("host");
const PAIRED_POLL_MS = 250;
const HELPER_POLL_MS = 200;
const HELPER_WAIT_MS = 10_000;

export default command({
  meta: { name: "serve", description: "Runs this machine's projects, in the foreground" },
  args: {
    ...common,
    "base-port": { type: "string", description: "Base port of this machine; its HTTP is on base−198" },
    runtime: runtimeFlag,
    "keep-sessions": {
      type: "boolean",
      description: "Leave SSH sessions alone at the end (for a service manager that restarts it)",
    },
  },
  async run({ args }) {
    const { config } = loadConfig(process.env, { base_port: args["base-port"] });
    const ports = derivePorts(config.base_port);
    const paths = hostPaths(args["data-dir"]);
    for (const dir of [paths.dir, paths.run, paths.projects, paths.images]) ensureDir(dir);
    const state = await paired(paths);
    const plain = args.runtime === "process";
    const helper = plain ? plainRuntime(paths) : helperClient(paths.helperSocket);
    if (!plain) await helperReady(helper);
    const key = hostKey(paths);
    const keepSessions = args["keep-sessions"] === true;
    const host = await startHost({ config, paths, ports, state, key, helper, plain, keepSessions });
    const told = new Promise<void>((resolve) => {
      for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
    });
    const changed = await Promise.race([told, identityChanged(paths, state, key)]);
    if (changed !== undefined) log.warn(`beginning anew: ${changed}`);
    serviceNotifier().stopping();
    host.close();
    process.exit(changed === undefined ? 0 : EX.TEMPFAIL);
  },
});

async function paired(paths: ReturnType<typeof hostPaths>): Promise<HostState> {
  let told = false;
  for (;;) {
    const state = readHostState(paths);
    if (state) return state;
    if (!told) {
      log.info("not paired yet; waiting", { file: paths.state });
      serviceNotifier().ready("waiting to be paired with a hub");
    }
    told = true;
    await Bun.sleep(PAIRED_POLL_MS);
  }
}

/** It starts beside us; without it nothing can be adopted, and what runs would be taken for dead. */
async function helperReady(helper: ReturnType<typeof helperClient>): Promise<void> {
  const end = Date.now() + HELPER_WAIT_MS;
  while (Date.now() < end) {
    try {
      await helper.call("hello", {});
      return;
    } catch {
      await Bun.sleep(HELPER_POLL_MS);
    }
  }
  log.warn("no helper: projects cannot run on this machine; start it as root");
}
