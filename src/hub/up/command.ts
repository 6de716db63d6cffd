/** `cocalc-hub up`: hub, sshd and this machine's own project host under one supervisor, where there is no systemd. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { type ApiClient, createApiClient } from "../../contract/client.ts";
import { command, common } from "../../core/cli.ts";
import { loadConfig } from "../../core/config.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { cleanEnv, exec } from "../../core/exec.ts";
import { acquireLock } from "../../core/lock.ts";
import { logger } from "../../core/log.ts";
import { ensureDir, hubPaths } from "../../core/paths.ts";
import { checkPortsFree, derivePorts } from "../../core/ports.ts";
import { ensureServiceUser, giveDir, isRoot, type ServiceUser } from "../../core/service-users.ts";
import { type ChildSpec, childArgv, STOP_GRACE_MS, signalGroup, supervise } from "../../core/supervise.ts";
import { findProgram } from "../sshd/programs.ts";
import { HUB_USER } from "./users.ts";

const log = logger("up");
const READY_TIMEOUT_MS = 30_000;
const POLL_MS = 100;
const HOST_BINARY = "cocalc-project-host";

const say = (text: string) => process.stdout.write(`${text}\n`);

export default command({
  meta: { name: "up", description: "Runs hub, sshd and this machine's project host" },
  args: {
    ...common,
    "base-port": { type: "string", description: "HTTPS port; the others follow from it (default 9200)" },
    product: {
      type: "enum",
      options: ["plus", "launchpad", "rocket"],
      description: "What to run (default launchpad)",
    },
    "no-host": { type: "boolean", description: "Do not make this machine a project host" },
  },
  async run({ args }) {
    const { config, warnings } = loadConfig(process.env, {
      base_port: args["base-port"],
      product: args.product,
    });
    for (const warning of warnings) log.warn(warning);
    if (config.product === "plus") {
      throw new CodedError({
        code: "product.other-command",
        title: "Plus has a command of its own",
        fix: "It needs neither sshd nor a service user.",
        command: "cocalc-hub plus",
        exit: EX.USAGE,
      });
    }
    if (config.product !== "launchpad") {
      throw new CodedError({
        code: "product.not-built",
        title: `The product ${config.product} is not part of this version`,
        fix: "Use launchpad.",
        exit: EX.CONFIG,
      });
    }
    const ports = derivePorts(config.base_port);
    findProgram("sshd");
    findProgram("ssh-keygen");
    findProgram("sftp-server");
    const user = isRoot() ? await ensureServiceUser(HUB_USER.name, HUB_USER.home) : undefined;
    if (user) log.info("started as root: the hub runs as cocalc, projects' host as cocalc-host");
    const dataDir = args["data-dir"] ?? (user ? join(user.home, ".local/share/cocalc") : undefined);
    const paths = hubPaths(dataDir, config.data_dir ?? undefined);
    await prepareDirs(paths.dir, [paths.run, paths.images], user);
    const lock = acquireLock(join(paths.run, "up.lock"), "cocalc-hub up");
    await checkPortsFree({
      HTTPS: ports.https,
      sshd: ports.sshd,
      apps: ports.apps,
      "loopback UI": ports.loopbackUi,
      "loopback apps": ports.loopbackApps,
      ...(args["no-host"] ? {} : { "project host HTTP": ports.hostHttp }),
    });
    const flags = [...(dataDir ? ["--data-dir", dataDir] : []), "--base-port", String(config.base_port)];
    const self = process.execPath;
    const env: Record<string, string> = config.master_key ? { COCALC_MASTER_KEY: config.master_key } : {};
    if (config.public_host) env.COCALC_PUBLIC_HOST = config.public_host;
    const child = (name: string, argv: string[]): ChildSpec => ({
      name,
      argv,
      env,
      ...(user ? { user } : {}),
    });
    const supervisor = supervise();
    const stopped = new Promise<void>((resolve) => {
      for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
    });
    let image: Awaited<ReturnType<typeof startHost>>;
    const cannot = cannotStart();
    supervisor.start({ ...child("hub", [self, "serve", ...flags]), onEnd: cannot.onEnd });
    supervisor.start(child("sshd", [self, "sshd", ...flags]));
    try {
      const api = await Promise.race([ready(paths.socket), cannot.promise]);
      cannot.over();
      await printUrls(api);
      if (!args["no-host"]) {
        image = await startHost({
          api,
          dataDir: hostDataDir(args["data-dir"]),
          basePort: config.base_port,
          images: paths.images,
          user,
          supervisor,
        });
      }
      await stopped;
      say("stopping …");
    } finally {
      await image?.stop();
      await supervisor.stop();
      lock.release();
    }
    process.exit(0);
  },
});

/** Without --data-dir the host's user has its own home. */
const hostDataDir = (flag: string | undefined) => flag;

async function prepareDirs(dir: string, inside: string[], user: ServiceUser | undefined): Promise<void> {
  // The parent is passed through by two users.
  ensureDirPassable(dirname(dir));
  ensureDir(dir);
  for (const one of inside) ensureDir(one);
  if (user) for (const one of [dir, ...inside]) await giveDir(one, user);
}

function ensureDirPassable(dir: string): void {
  if (!existsSync(dir)) ensureDir(dir, 0o755);
}

/**
 * A hub that ends twice before it ever answered will not do better the tenth time: its own words stand above, and its
 * status becomes that of `up`. Once it has answered it is started again for ever.
 */
function cannotStart() {
  let ends = 0;
  let over = false;
  let reject: (error: CodedError) => void = () => {};
  const promise = new Promise<never>((_resolve, no) => {
    reject = no;
  });
  return {
    promise,
    over() {
      over = true;
    },
    onEnd(code: number) {
      ends += 1;
      if (over || ends < 2) return;
      reject(
        new CodedError({
          code: "hub.cannot-start",
          title: "The hub cannot start",
          why: `It ended twice with status ${code} before it answered.`,
          fix: "Its own words are above; they name the cause.",
          exit: code >= 64 && code <= 78 ? code : EX.SOFTWARE,
        }),
      );
    },
  };
}

async function ready(socket: string): Promise<ApiClient> {
  const api = createApiClient({
    base: "http://localhost",
    fetch: (url, init) => fetch(url, { ...init, unix: socket } as RequestInit),
  });
  const end = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    try {
      await api.local.setupUrls();
      return api;
    } catch (error) {
      if (Date.now() > end) throw error;
      await Bun.sleep(POLL_MS);
    }
  }
}

async function printUrls(api: ApiClient): Promise<void> {
  const urls = await api.local.setupUrls();
  say(urls.needed ? "Open one of these and make the admin account:" : "CoCalc Launchpad runs:");
  say(`  on this machine   ${urls.loopback}`);
  for (const url of urls.lan) say(`  from elsewhere    ${url}`);
}

async function startHost(options: {
  api: ApiClient;
  dataDir: string | undefined;
  basePort: number;
  images: string;
  user: ServiceUser | undefined;
  supervisor: ReturnType<typeof supervise>;
}): Promise<{ stop(): Promise<void> } | undefined> {
  const binary = join(dirname(process.execPath), HOST_BINARY);
  if (!existsSync(binary)) {
    log.warn(`there is no ${binary}: this machine does not become a host`);
    return undefined;
  }
  const dirFlag = options.dataDir ? ["--data-dir", options.dataDir] : [];
  if (!(await isOwnHost(options.api, binary, dirFlag))) {
    const { token } = await options.api.local.joinToken();
    const joined = await exec([binary, "join", "--token-stdin", ...dirFlag], {
      stdin: token,
      timeout: 60_000,
    });
    if (joined.code !== 0) {
      log.error("this machine could not become a host of its own hub", { said: joined.stderr.trim() });
      return undefined;
    }
  }
  options.supervisor.start({
    name: "project-host",
    argv: [binary, "up", ...dirFlag, "--base-port", String(options.basePort)],
  });
  if (existsSync(join(options.images, "base.json"))) return undefined;
  say("Making the base image that projects start from; this takes about a minute, once …");
  return makeImage(binary, options.images, options.user);
}

/** Whether this machine's key is the one that the hub knows its own machine by: its state may have been lost. */
async function isOwnHost(api: ApiClient, binary: string, dirFlag: string[]): Promise<boolean> {
  const own = (await api.hosts.list()).find((host) => host.type.kind === "local");
  if (!own) return false;
  const said = await exec([binary, "status", "--json", ...dirFlag]);
  if (said.code !== 0) {
    // A damaged state file was kept aside: it joins again, with the same key as the same host.
    log.error("this machine's own state as a host cannot be read; it is paired anew", {
      said: said.stdout.trim() || said.stderr.trim(),
    });
    return false;
  }
  const status = JSON.parse(said.stdout) as { paired: boolean; key_fingerprint: string | null };
  return status.paired && status.key_fingerprint === own.key_fingerprint;
}

/** Goes on beside all else; `stop` ends it and waits until what it was making is gone. */
function makeImage(binary: string, images: string, user: ServiceUser | undefined): { stop(): Promise<void> } {
  const argv = childArgv({ name: "base image", argv: [binary, "make-base-image", "--dir", images] });
  const proc = Bun.spawn(argv, {
    cwd: "/",
    env: cleanEnv(),
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  let stopping = false;
  const done = (async () => {
    const said = await new Response(proc.stderr).text();
    const code = await proc.exited;
    if (stopping) return;
    if (code !== 0) {
      log.error("the base image could not be made: projects cannot start", { said: said.slice(-2000) });
      return;
    }
    if (user) await exec(["chown", "-R", `${user.uid}:${user.gid}`, images]);
    say("The base image is ready.");
  })();
  return {
    async stop() {
      stopping = true;
      signalGroup(proc.pid, "SIGTERM");
      const late = setTimeout(() => signalGroup(proc.pid, "SIGKILL"), STOP_GRACE_MS);
      await done;
      clearTimeout(late);
    },
  };
}
