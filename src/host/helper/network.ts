/** A project's network namespace: made, shut and then opened a crack, all before its container starts. */
import { accessSync, constants, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CodedError, EX, messageOf } from "../../core/errors.ts";
import { cleanEnv, execOk } from "../../core/exec.ts";
import guard from "./guard.sh" with { type: "text" };
import type { Privilege } from "./privilege.ts";
import { prohibited } from "./prohibited.ts";

export type Lan = "blocked" | "open";
/** Where slirp4netns gets a project's interface from. */
const TUN = "/dev/net/tun";

async function interfaces(): Promise<unknown> {
  return JSON.parse(await execOk(["ip", "-j", "addr"]));
}

function checkSlirp(): void {
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
  try {
    accessSync(TUN, constants.R_OK | constants.W_OK);
  } catch (error) {
    throw new CodedError(
      {
        code: "helper.no-tun",
        title: `${TUN} cannot be opened`,
        why: `${messageOf(error)}. A project's network interface is made with it.`,
        fix: "Load the module tun and let every user open the device, as distributions do.",
        command: `sudo modprobe tun && sudo chmod 666 ${TUN}`,
        exit: EX.UNAVAILABLE,
      },
      { cause: error },
    );
  }
}

export class Networks {
  readonly #privilege: Privilege;
  /** Named namespaces are files here: /run/netns as `ip netns` has it, or a directory of our own without root. */
  readonly dir: string;

  constructor(privilege: Privilege, dir: string) {
    this.#privilege = privilege;
    this.dir = dir;
  }

  path(ns: string): string {
    return join(this.dir, ns);
  }

  async #guard(ns: string, phase: "shut" | "open" | "refresh", nets: string[] = []): Promise<void> {
    const argv = ["nsenter", `--net=${this.path(ns)}`, "sh", "-s", "--", phase, ...nets];
    await this.#privilege.execOk(argv, { stdin: guard });
  }

  /** Which slirp4netns serve which namespace: found by their arguments, since they must outlive the helper. */
  #slirpPids(): Map<string, number[]> {
    const found = new Map<string, number[]>();
    for (const name of readdirSync("/proc")) {
      if (!/^\d+$/.test(name)) continue;
      try {
        const argv = readFileSync(`/proc/${name}/cmdline`, "latin1").split("\0");
        if (!argv[0]?.endsWith("slirp4netns")) continue;
        const path = argv.find((word) => word.startsWith(`${this.dir}/`));
        if (path === undefined) continue;
        const ns = path.slice(this.dir.length + 1);
        found.set(ns, [...(found.get(ns) ?? []), Number(name)]);
      } catch {
        // It ended meanwhile.
      }
    }
    return found;
  }

  /** Makes the namespace anew. Errors: `helper.no-slirp`, `helper.no-tun`, `exec.failed`. */
  async open(ns: string, lan: Lan): Promise<void> {
    checkSlirp();
    await this.close(ns);
    if (this.#privilege.kind === "root") await execOk(["ip", "netns", "add", ns]);
    else {
      writeFileSync(this.path(ns), "", { mode: 0o600 });
      await this.#privilege.execOk(["unshare", `--net=${this.path(ns)}`, "true"]);
    }
    await this.#guard(ns, "shut", prohibited(await interfaces(), lan));
    await this.#startSlirp(ns);
  }

  /** The one way out, in a session of its own: it must survive the helper. */
  async #startSlirp(ns: string): Promise<void> {
    const argv = this.#privilege.wrap([
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
      this.path(ns),
      "tap0",
    ]);
    const slirp = Bun.spawn(argv, {
      cwd: "/",
      env: cleanEnv(this.#privilege.env),
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
      detached: true,
    });
    slirp.unref();
    await this.#guard(ns, "open");
  }

  async close(ns: string): Promise<void> {
    for (const pid of this.#slirpPids().get(ns) ?? []) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // Gone already.
      }
    }
    if (!existsSync(this.path(ns))) return;
    if (this.#privilege.kind === "root") await this.#privilege.exec(["ip", "netns", "del", ns]);
    else {
      await this.#privilege.exec(["umount", "--lazy", this.path(ns)]);
      rmSync(this.path(ns), { force: true });
    }
  }

  /**
   * What time does to running projects' networks: the machine got another address, which is shut in every namespace;
   * a slirp4netns died (out of memory), and another takes its place. The prohibitions never went away meanwhile.
   */
  async refresh(running: { ns: string; lan: Lan }[]): Promise<void> {
    if (running.length === 0) return;
    const now = await interfaces();
    const serving = this.#slirpPids();
    for (const { ns, lan } of running) {
      if (!existsSync(this.path(ns))) continue;
      await this.#guard(ns, "refresh", prohibited(now, lan));
      if (!serving.has(ns)) await this.#startSlirp(ns);
    }
  }

  /** Names that begin with `prefix`. */
  list(prefix: string): string[] {
    return existsSync(this.dir) ? readdirSync(this.dir).filter((name) => name.startsWith(prefix)) : [];
  }
}
