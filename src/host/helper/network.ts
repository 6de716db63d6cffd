/** A project's network namespace: made, shut and then opened a crack, all before its container starts. */
import { existsSync, readFileSync } from "node:fs";
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

/** The slirp4netns that serves a namespace: found by its arguments, since it must outlive the helper. */
function slirpPids(ns: string): number[] {
  const found: number[] = [];
  for (const pid of new Bun.Glob("[0-9]*").scanSync({ cwd: "/proc", onlyFiles: false })) {
    try {
      const argv = readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0");
      if (argv[0]?.endsWith("slirp4netns") && argv.includes(`/run/netns/${ns}`)) found.push(Number(pid));
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
  // A session of its own: it must survive the helper.
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
      `/run/netns/${ns}`,
      "tap0",
    ],
    { cwd: "/", env: cleanEnv(), stdin: "ignore", stdout: "ignore", stderr: "ignore", detached: true },
  );
  slirp.unref();
  await runGuard(ns, "open");
}

export async function closeNetwork(ns: string): Promise<void> {
  for (const pid of slirpPids(ns)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // Gone already.
    }
  }
  if (existsSync(`/run/netns/${ns}`)) await exec(["ip", "netns", "del", ns]);
}

/** After the machine got another address: the new one is shut in every namespace. Returns what is prohibited now. */
export async function refreshNetworks(running: { ns: string; lan: Lan }[]): Promise<void> {
  const now = await interfaces();
  for (const { ns, lan } of running) {
    if (existsSync(`/run/netns/${ns}`)) await runGuard(ns, "refresh", prohibited(now, lan));
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
