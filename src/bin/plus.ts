/**
 * `cocalc-hub plus [DIR]`: hub and host in one process for one person and one directory. The parts are those of a
 * team's hub; left out are sshd, TLS, tunnel, helper and containers. It stands here because it alone joins both sides.
 */
import { createHash } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { homedir, hostname } from "node:os";
import { join, resolve } from "node:path";
import { command, common } from "../core/cli.ts";
import { loadConfig } from "../core/config.ts";
import { CodedError, EX } from "../core/errors.ts";
import { acquireLock } from "../core/lock.ts";
import { logger } from "../core/log.ts";
import { dataRoot, ensureDir, hostPaths, hubPaths } from "../core/paths.ts";
import { checkPortsFree, plusPorts } from "../core/ports.ts";
import { writeStateFile } from "../core/state-file.ts";
import { startHost } from "../host/daemon.ts";
import { createProcessRuntime } from "../host/process/runtime.ts";
import { hostKey } from "../host/state.ts";
import { startHub } from "../hub/compose.ts";
import { loadAssets } from "../hub/serve.ts";

const log = logger("plus");
/** Requests in flight are given this long at the end. */
const CLOSE_TIMEOUT_MS = 2_000;

export default command({
  meta: { name: "plus", description: "Serves one directory to one person on this machine" },
  args: {
    ...common,
    DIR: { type: "positional", required: false, description: "The project's directory (default: your home)" },
    "base-port": { type: "string", description: "Its port, on 127.0.0.1 and ::1 alone (default 9200)" },
  },
  async run({ args }) {
    const { config, entries, warnings } = loadConfig(process.env, {
      base_port: args["base-port"],
      product: "plus",
    });
    for (const warning of warnings) log.warn(warning);
    const dir = directory(args.DIR ?? homedir());
    // Each directory is an instance of its own; none meets a team's hub on the same machine.
    const dataDir = args["data-dir"] ?? join(dataRoot(), "plus", instanceName(dir));
    const ports = plusPorts(config.base_port);
    const paths = hostPaths(dataDir);
    const hub = hubPaths(dataDir);
    for (const one of [hub.run, paths.dir, paths.run, paths.projects, paths.images, paths.ssh])
      ensureDir(one);
    const lock = acquireLock(join(hub.run, "plus.lock"), "cocalc-hub plus");
    await checkPortsFree(
      { "CoCalc Plus": ports.loopbackUi, "project host HTTP": ports.hostHttp },
      "127.0.0.1",
    );
    // Before anything is started that would outlive a sudden end.
    const ended = new Promise<string>((done) => {
      for (const name of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.once(name, () => done(name));
    });
    const runningHub = await startHub({
      config,
      entries,
      paths: hub,
      ports,
      dataDir,
      assets: await loadAssets(),
    });
    const { plus } = runningHub;
    if (!plus) throw new Error("the hub was not started as plus");
    const key = hostKey(paths);
    const state = await plus.host(key.publicLine, hostname() || "this machine");
    writeStateFile(paths.state, state);
    const runtime = createProcessRuntime({
      run: paths.run,
      home: () => dir,
      usersOwn: true,
      agent: [process.execPath, ...agentScript(), "agent"],
    });
    const host = await startHost({ config, paths, ports, state, key, helper: runtime, plain: true });
    const project_id = await plus.open(dir, state.host_id);
    process.stdout.write(
      `CoCalc Plus serves ${dir}, ready after ${Math.round(performance.now())} ms. Open:\n  ${plus.url}\n`,
    );
    const signal = await ended;
    host.close();
    // Ctrl-C is a person who is done. Whatever else ends it is a restart: terminals live on and are found again.
    if (signal === "SIGINT") await runtime.call("project.stop", { project_id });
    await Promise.race([runningHub.close(), Bun.sleep(CLOSE_TIMEOUT_MS)]);
    lock.release();
    process.exit(0);
  },
});

function directory(given: string): string {
  const dir = resolve(given);
  if (existsSync(dir) && statSync(dir).isDirectory()) return dir;
  throw new CodedError({
    code: "project.no-directory",
    title: `There is no directory ${dir}`,
    fix: "Make it, or name another one.",
    command: `mkdir -p ${dir}`,
    exit: EX.NOINPUT,
  });
}

/** Short, since the paths of sockets are below it. */
function instanceName(dir: string): string {
  return createHash("sha256").update(dir).digest("hex").slice(0, 12);
}

/** From source the program is Bun, and the script its first argument. */
function agentScript(): string[] {
  const script = process.argv[1];
  return script?.endsWith(".ts") && existsSync(script) ? [script] : [];
}
