/** `cocalc-hub serve`: the hub's API, UI and proxy, in the foreground. */
import { command, common } from "../core/cli.ts";
import { loadConfig } from "../core/config.ts";
import { messageOf } from "../core/errors.ts";
import { logger } from "../core/log.ts";
import { serviceNotifier } from "../core/notify.ts";
import { hubPaths } from "../core/paths.ts";
import { derivePorts } from "../core/ports.ts";
import { startHub } from "./compose.ts";

const log = logger("hub");
/** Requests in flight are given this long at the end. */
const CLOSE_TIMEOUT_MS = 5_000;
const STATUS_MS = 10_000;

export default command({
  meta: { name: "serve", description: "Serves UI, API and proxy, in the foreground" },
  args: {
    ...common,
    "base-port": { type: "string", description: "HTTPS port; the others follow from it" },
    product: { type: "string", description: "launchpad" },
  },
  async run({ args }) {
    const { config, entries, warnings } = loadConfig(process.env, {
      base_port: args["base-port"],
      product: args.product,
    });
    for (const warning of warnings) log.warn(warning);
    const hub = await startHub({
      config,
      entries,
      paths: hubPaths(args["data-dir"], config.data_dir ?? undefined),
      ports: derivePorts(config.base_port),
      dataDir: args["data-dir"],
      assets: await loadAssets(),
    });
    const serving = `serving HTTPS on port ${config.base_port}`;
    serviceNotifier().ready(serving);
    const tellStatus = async () => serviceNotifier().status(`${serving}; ${await hub.summary()}`);
    setInterval(() => {
      tellStatus().catch((error: unknown) => log.warn("status", { why: messageOf(error) }));
    }, STATUS_MS);
    await new Promise<void>((resolve) => {
      for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
    });
    serviceNotifier().stopping();
    await Promise.race([hub.close(), Bun.sleep(CLOSE_TIMEOUT_MS)]);
    process.exit(0);
  },
});

/** The UI's files: embedded by the build; from source there may be none yet. */
export async function loadAssets(): Promise<Record<string, string>> {
  const { webAssets } = await import("../generated/web-assets.ts");
  return webAssets;
}
