/** A project's network namespace: made, shut and then opened a crack, all before its container starts. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { CodedError, EX } from "../../core/errors.ts";
import { cleanEnv, exec, execOk } from "../../core/exec.ts";
import guard from "./guard.sh" with { type: "text" };
import { prohibited } from "./prohibited.ts";

export type Lan = "blocked" | "open";

async function runGuard(ns: string, phase: "shut" | "open" | "refresh", nets: string[] = []): Promise<void> {
  await execOk(["sh", "-s", "--", ns, phase, ...nets], { stdin: guard });
}

async function interfaces(): Promise<unknown> {
  return JSON.parse(await execOk(["ip", "-j", "addr"]));
}

const NETNS_DIR = "/run/netns/";

/** Which slirp4netns serve which namespace: found by their arguments, since they must outlive the helper. */
function slirpPids(): Map<string, number[]> {
  const found = new Map<string, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const argv = readFileSync(`/proc/${name}/cmdline`, "latin1").split("\0");
      if (!argv[0]?.endsWith("slirp4netns")) continue;
      const path = argv.find((word) => word.startsWith(NETNS_DIR));
      if (path === undefined) continue;
      const ns = path.slice(NETNS_DIR.length);
      found.set(ns, [...(found.get(ns) ?? []), Number(name)]);
    } catch {
      // It ended meanwhile.
    }
  }
  return found;
}

/** Makes the namespace anew. Errors: `helper.no-slirp`, `exec.failed`. */
export async function openNetwork(ns: string, lan: Lan): Promise<void> {
  if (Bun.which("slirp4netns", { PATH: cleanEnv().PATH ?? "" }) === null) {
    throw new CodedError({
      code: "helper.no-slirp",
      title: "slirp4netns is not installed",
      why: "It connects a project to the internet without opening the machine to it.",
      fix: "Install it.",
      command: "sudo apt-get install -y slirp4netns",
      exit: EX.UNAVAILABLE,
    });
  }
  await closeNetwork(ns);
  await execOk(["ip", "netns", "add", ns]);
  await runGuard(ns, "shut", prohibited(await interfaces(), lan));
  await startSlirp(ns);
}

/** The one way out, in a session of its own: it must survive the helper. */
async function startSlirp(ns: string): Promise<void> {
  const slirp = Bun.spawn(
    [
      // Its sandbox (1.2) makes only "/" private before it drops the old root: where /run or /run/netns is a shared
      // mount of its own, the unmounting reached the machine and took every named namespace with it (seen).
      "unshare",
      "--mount",
      "--propagation",
      "slave",
      "slirp4netns",
      "--mtu=65520",
      "--disable-host-loopback",
      "--enable-sandbox",
      "--enable-seccomp",
      "--netns-type=path",
      `${NETNS_DIR}${ns}`,
      "tap0",
    ],
    { cwd: "/", env: cleanEnv(), stdin: "ignore", stdout: "ignore", stderr: "ignore", detached: true },
  );
  slirp.unref();
  await runGuard(ns, "open");
}

export async function closeNetwork(ns: string): Promise<void> {
  for (const pid of slirpPids().get(ns) ?? []) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // Gone already.
    }
  }
  if (existsSync(`${NETNS_DIR}${ns}`)) await exec(["ip", "netns", "del", ns]);
}

/**
 * What time does to running projects' networks: the machine got another address, which is shut in every namespace;
 * a slirp4netns died (out of memory), and another takes its place. The prohibitions never went away meanwhile.
 */
export async function refreshNetworks(running: { ns: string; lan: Lan }[]): Promise<void> {
  if (running.length === 0) return;
  const now = await interfaces();
  const serving = slirpPids();
  for (const { ns, lan } of running) {
    if (!existsSync(`${NETNS_DIR}${ns}`)) continue;
    await runGuard(ns, "refresh", prohibited(now, lan));
    if (!serving.has(ns)) await startSlirp(ns);
  }
}

/** The names below /run/netns that begin with `prefix`. */
export async function listNetworks(prefix: string): Promise<string[]> {
  const out = await exec(["ip", "-j", "netns", "list"]);
  if (out.code !== 0 || out.stdout.trim() === "") return [];
  return (JSON.parse(out.stdout) as { name: string }[])
    .map(({ name }) => name)
    .filter((n) => n.startsWith(prefix));
}
