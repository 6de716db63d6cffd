/**
 * The README's first command on a machine that has nothing: a minimal Debian 12 under its own systemd, in namespaces, as
 * root, and as an ordinary user with and without sudo. Installs from the internet, so only with COCALC_TEST_LONG=1.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Host, Project } from "../../src/contract/api.ts";
import { execOk } from "../../src/core/exec.ts";
import { type BootedTree, makeTree } from "../fixtures/booted-tree.ts";
import { freeBasePort, until } from "../fixtures/running-hub.ts";

const RUN = process.getuid?.() === 0 && process.env.COCALC_TEST_LONG === "1";
const REPO = resolve(import.meta.dir, "../..");
const CACHE = process.env.COCALC_TEST_CACHE ?? "/var/tmp/cocalc-test-cache";
const HOUR = 3_600_000;
/** Where the testing machine has cgroups of version 1 the tree has no controllers, and the host rightly says so. */
const NO_CGROUPS = "runtime.no-cgroups";
/** The tree's root is an overlay itself, on which none can be laid. */
const NO_OVERLAY = "runtime.no-overlay";
/** What a Debian that somebody installed has, and no more. */
const PACKAGES = "systemd-sysv,dbus,sudo,ca-certificates,iproute2,procps,apt,git,passwd,kmod,curl";
/** How this machine reaches archives and registries is how the new one does. */
const NETWORK = [
  "/etc/resolv.conf",
  "/etc/npmrc",
  "/root/.npmrc",
  "/etc/apt/sources.list",
  "/etc/apt/sources.list.d",
  "/etc/apt/apt.conf.d",
  "/etc/ssl/certs/ca-certificates.crt",
];

const ENV = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt"];

async function bareTree(): Promise<string> {
  const dir = join(CACHE, "bare-bookworm");
  if (existsSync(dir)) return dir;
  mkdirSync(CACHE, { recursive: true });
  await execOk(
    ["mmdebstrap", "--mode=root", "--variant=minbase", `--include=${PACKAGES}`, "bookworm", `${dir}.new`],
    { timeout: 900_000 },
  );
  await execOk(["mv", `${dir}.new`, dir]);
  return dir;
}

async function freshMachine(): Promise<BootedTree> {
  const tree = await makeTree({
    lower: await bareTree(),
    machineNetwork: true,
    async prepare(root) {
      for (const path of NETWORK) {
        if (!existsSync(path)) continue;
        mkdirSync(dirname(join(root, path)), { recursive: true });
        cpSync(path, join(root, path), { recursive: true, dereference: true });
      }
      await execOk(["git", "clone", "--quiet", REPO, join(root, "srv/launchpad")]);
      await execOk(["chroot", root, "useradd", "--create-home", "--shell", "/bin/bash", "ada"]);
      cpSync("/root/.npmrc", join(root, "home/ada/.npmrc"));
      await execOk(["chroot", root, "chown", "-R", "ada:ada", "/srv/launchpad", "/home/ada"]);
    },
  });
  await tree.boot();
  return tree;
}

/** Seconds since the command, for each step it came to, and why the host runs no project. */
interface Came {
  page?: number;
  host?: number;
  project?: number;
  problem?: string;
}

/** From the command to a running project, or to what the host says it lacks. */
async function runAsNewcomer(tree: BootedTree, who: "root" | "ada"): Promise<Came> {
  const base = freeBasePort();
  const began = Date.now();
  const seconds = () => Math.round((Date.now() - began) / 1000);
  const as = who === "root" ? [] : ["setpriv", "--reuid=ada", "--regid=ada", "--init-groups"];
  const home = who === "root" ? "/root" : "/home/ada";
  const dataDir = who === "root" ? "/var/lib/launchpad-try" : `${home}/launchpad-try`;
  const env = ["env", "-i", `HOME=${home}`, `USER=${who}`, ...ENV];
  const argv = ["/srv/launchpad/scripts/run", "--base-port", String(base), "--data-dir", dataDir];
  const errors = join(tree.root, "var/log/run.err");
  const run = Bun.spawn([...tree.inside(), ...as, ...env, ...argv], {
    cwd: "/",
    stdin: "ignore",
    stdout: Bun.file(join(tree.root, "var/log/run.log")),
    stderr: Bun.file(errors),
  });
  const hub = async <T>(...args: string[]): Promise<T> => {
    const cli = ["/srv/launchpad/dist/cocalc-hub", ...args, "--data-dir", dataDir, "--json"];
    return JSON.parse(await tree.ok([...as, ...env, ...cli], { timeout: 120_000 })) as T;
  };
  const took: Came = {};
  try {
    await until(
      "the page answers, or it ended",
      async () => run.exitCode !== null || (await fetch(`http://localhost:${base + 3}/`)).ok,
      HOUR / 2,
    );
    if (run.exitCode !== null)
      throw new Error(
        `scripts/run ended with ${run.exitCode}:\n${readFileSync(errors, "utf8").slice(-4000)}`,
      );
    took.page = seconds();
    const host = await until(
      "the host is ready",
      async () => {
        const [one] = await hub<Host[]>("host", "list");
        const lacks = one?.problem?.code ?? "";
        return (one?.state === "ready" || [NO_CGROUPS, NO_OVERLAY].includes(lacks)) && one;
      },
      120_000,
    );
    took.host = seconds();
    if (host.state !== "ready") return { ...took, problem: host.problem?.code ?? "" };
    await tree.sh("printf %s 'correct horse battery' >/tmp/first-password && chmod 644 /tmp/first-password");
    await hub(
      "setup",
      "--email",
      "ada@example.com",
      "--name",
      "Ada",
      "--password-file",
      "/tmp/first-password",
    );
    const project = await hub<Project>("project", "create", "--name", "first");
    await until(
      "it runs",
      async () => {
        await hub("project", "start", project.project_id);
        return (await hub<Project>("project", "show", project.project_id)).state === "running";
      },
      300_000,
    );
    took.project = seconds();
  } finally {
    run.kill("SIGINT");
    await tree.sh("pkill -INT -f 'cocalc-hub up'");
    await run.exited;
    // The signal ended what brought us in at once; what runs inside takes a few seconds.
    await until(
      "all of it has ended",
      async () => (await tree.sh("pgrep -f 'cocalc-(hub|project-host)'")).stdout === "",
      60_000,
    );
  }
  return took;
}

describe.skipIf(!RUN)("scripts/run on a fresh machine (needs root and COCALC_TEST_LONG=1)", () => {
  let tree: BootedTree;
  beforeAll(async () => {
    tree = await freshMachine();
  }, HOUR);
  afterAll(async () => {
    await tree?.destroy();
  }, HOUR);

  test(
    "an ordinary user without sudo is told the exact command, and nothing was changed",
    async () => {
      const before = await tree.ok(["dpkg-query", "-W"]);
      const as = ["setpriv", "--reuid=ada", "--regid=ada", "--init-groups", "env", "HOME=/home/ada"];
      const refused = await tree.exec([...as, "/srv/launchpad/scripts/run"]);
      expect(refused.code).toBe(69);
      expect(refused.stderr).toMatch(/apt-get install .*podman/);
      expect(await tree.ok(["dpkg-query", "-W"])).toBe(before);
    },
    HOUR,
  );

  test(
    "as root: page, host, project; Ctrl-C leaves nothing",
    async () => {
      const took = await runAsNewcomer(tree, "root");
      console.log("cold, as root, seconds:", JSON.stringify(took));
      expect((await tree.sh("pgrep -a 'cocalc|conmon|sshd'")).stdout).toBe("");
      expect((await tree.sh("losetup -n | grep launchpad-try; grep launchpad-try /proc/mounts")).stdout).toBe(
        "",
      );
    },
    HOUR,
  );

  test(
    "as an ordinary user with sudo, with all there already: the same",
    async () => {
      // A checkout of her own: what root built there is root's.
      await tree.ok(["chown", "-R", "ada:ada", "/srv/launchpad"]);
      await tree.sh("echo 'ada ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/ada");
      expect((await runAsNewcomer(tree, "ada")).problem).toBe(NO_OVERLAY);
      // A disk that can.
      await tree.ok(["mount", "-t", "tmpfs", "-o", "uid=ada,mode=755", "tmpfs", "/home/ada/launchpad-try"]);
      const took = await runAsNewcomer(tree, "ada");
      console.log("warm, as ada, seconds:", JSON.stringify(took));
      expect(took.project).toBeGreaterThan(0);
      expect((await tree.sh("pgrep -a 'cocalc|conmon|sshd'")).stdout).toBe("");
    },
    HOUR,
  );
});
