/** Checks of every host: its tunnel, its proxy route, its clock, version, disk, runtime and helper. */
import type { Host } from "../../contract/api.ts";
import { MAX_CLOCK_SKEW_SECONDS } from "../../contract/grants.ts";
import { hostVerbs } from "../../contract/host-control.ts";
import { type CheckDefinition, fail, type Outcome, ok, skipped, unknown, warn } from "./check.ts";
import { storageCheck } from "./storage-check.ts";

const GIB = 2 ** 30;
const DISK_WARN_BYTES = 5 * GIB;
const DISK_FAIL_BYTES = GIB;
/** An RTT above this is shown as slow: typing through it is felt. */
const RTT_WARN_MS = 150;
/** A signed echo comes every 5 s; three missed ones make its answer stale. */
const ECHO_STALE_MS = 20_000;
/** A container is made, runs and is removed: a second, and half a minute on a slow machine that is busy. */
const RUNTIME_TIMEOUT_MS = 60_000;
/** Reports come every 10 s. */
const REPORT_STALE_MS = 45_000;

export interface HostCheckDeps {
  version: string;
  now(): Date;
  /** Requests `host.<host_id>.<verb>` over the control link. */
  request(hostId: string, verb: string, data: unknown, timeoutMs: number): Promise<unknown>;
  /**
   * Sends one request through the proxy's own path to the host: with a valid grant (for a project that does not
   * exist: the host must answer that it knows none), and without one (it must refuse). Status codes.
   */
  probeRoute(host: Host): Promise<{ granted: number; ungranted: number; took_ms: number }>;
  /** What answers at the hub's end of a host's public SSH port; null when nothing of SSH does. */
  sshBanner(host: Host): Promise<string | null>;
}

function tunnelCheck(host: Host, deps: HostCheckDeps): Outcome {
  const { state, rtt_ms, last_echo_at } = host.tunnel;
  const age =
    last_echo_at === null ? Number.POSITIVE_INFINITY : deps.now().getTime() - Date.parse(last_echo_at);
  if (age > ECHO_STALE_MS || state === "down" || state === "never") {
    const since =
      last_echo_at === null ? "no echo ever came back" : `last echo ${Math.round(age / 1000)} s ago`;
    return fail(since, {
      code: "tunnel.down",
      title: `${host.name} does not answer through its tunnel`,
      why:
        host.problem?.why ??
        `${since}. The machine is off, its network is down, or its connector is not running.`,
      fix: "On that machine, see what the connector says.",
      command: "cocalc-project-host status",
    });
  }
  const value = `${rtt_ms?.toFixed(1) ?? "?"} ms${state === "none" ? ", same machine" : ""}`;
  if ((rtt_ms ?? 0) > RTT_WARN_MS) {
    return warn(value, {
      code: "tunnel.slow",
      title: `The tunnel to ${host.name} is slow: ${value}`,
      why: "The network between the two machines is slow or busy.",
      fix: "Watch the graph on the host's page; typing in terminals there will feel slow.",
    });
  }
  return ok(value);
}

function clockCheck(host: Host): Outcome {
  if (host.report === null || host.report_at === null) return noReport(host);
  const skew = Math.round((Date.parse(host.report.time) - Date.parse(host.report_at)) / 1000);
  const value = `${skew >= 0 ? "+" : ""}${skew} s`;
  if (Math.abs(skew) <= 10) return ok(value);
  const problem = {
    code: "host.clock-skew",
    title: `The clock of ${host.name} is ${Math.abs(skew)} s ${skew > 0 ? "ahead of" : "behind"} the hub's`,
    why: "Grants and logs carry times; more than 5 minutes apart makes every grant invalid.",
    fix: "Turn on time synchronisation on that machine.",
    command: "timedatectl set-ntp true",
  };
  return Math.abs(skew) > MAX_CLOCK_SKEW_SECONDS ? fail(value, problem) : warn(value, problem);
}

function noReport(host: Host): Outcome {
  return unknown({
    code: "host.no-report",
    title: `${host.name} has not reported`,
    why: "Its control link is down, so what it would say is not known.",
    fix: "See the check of its tunnel.",
  });
}

export function hostChecks(host: Host, deps: HostCheckDeps): CheckDefinition[] {
  const define = (code: string, name: string, run: () => Promise<Outcome>): CheckDefinition => ({
    code,
    group: host.name,
    name,
    host_id: host.host_id,
    run,
  });
  const fresh =
    host.report_at !== null && deps.now().getTime() - Date.parse(host.report_at) < REPORT_STALE_MS;
  const report = fresh ? host.report : null;
  return [
    define("host.tunnel", "Tunnel echo", async () => tunnelCheck(host, deps)),
    define("host.proxy-route", "Proxy route", async () => {
      const probe = await deps.probeRoute(host);
      const value = `${probe.took_ms.toFixed(1)} ms`;
      if (probe.ungranted !== 403 && probe.ungranted !== 401) {
        return fail(`HTTP ${probe.ungranted} without a grant`, {
          code: "proxy.not-ours",
          title: `What listens at the port of ${host.name} answers without a grant`,
          why: "Another process holds the tunnel's port on the hub.",
          fix: "Find it, end it, and the host takes its port back.",
          command: `ss -ltnp 'sport = :${host.http_port}'`,
        });
      }
      if (probe.granted !== 404) {
        return fail(`HTTP ${probe.granted} with a grant`, {
          code: "proxy.grant-refused",
          title: `${host.name} refuses the hub's grants`,
          why: "Its clock is wrong, or it was paired with another hub.",
          fix: "Compare the clocks; if they agree, forget the host and join it again.",
        });
      }
      return ok(value);
    }),
    define("host.ssh", "SSH banner", async () => {
      if (report?.runtime.kind === "process") return skipped("projects are opened on this machine alone");
      const banner = await deps.sshBanner(host);
      if (banner === "SSH-2.0-CoCalc") return ok(`${banner} on port ${host.ssh_port}`);
      return banner === null
        ? fail("no answer", {
            code: "ssh.no-answer",
            title: `Nobody answers on the SSH port of ${host.name}, ${host.ssh_port}`,
            why: "The tunnel is down, or another program on that machine holds the gateway's port.",
            fix: "See the check of its tunnel, then the log of its project host for “SSH gateway”.",
            command: "cocalc-project-host status",
          })
        : fail(banner.slice(0, 60), {
            code: "ssh.not-ours",
            title: `Another SSH server holds the SSH port of ${host.name}, ${host.ssh_port}`,
            why: `It says ${banner.slice(0, 100)}.`,
            fix: "End it, and the host takes its port back by itself.",
            command: `ss -ltnp 'sport = :${host.ssh_port}'`,
          });
    }),
    define("host.clock", "Clock", async () => {
      // A clock that is far off keeps the control link away, and with it the reports; the echo through the tunnel tells.
      if (host.problem?.code === "host.clock-skew") return fail("far off", host.problem);
      return report === null ? noReport(host) : clockCheck(host);
    }),
    define("host.version", "Version", async () => {
      if (report === null) return noReport(host);
      if (report.version === deps.version) return ok(report.version);
      return warn(report.version, {
        code: "host.version-skew",
        title: `${host.name} runs ${report.version}, the hub ${deps.version}`,
        why: "One version apart they work together; what is new in the later one does not.",
        fix: "Bring it to the hub's version: its page, or the command. Its projects go on.",
        command: `cocalc-hub host upgrade ${host.name}`,
      });
    }),
    define("host.disk", "Disk", async () => {
      if (report === null) return noReport(host);
      const free = report.storage.free_bytes;
      const value = `${(free / GIB).toFixed(1)} GiB free`;
      if (free >= DISK_WARN_BYTES) return ok(value);
      const problem = {
        code: "host.disk-low",
        title: `Only ${value} on ${host.name}`,
        why: "Projects live there; when it is full, what they write fails.",
        fix: "Free some space, or delete projects that are not needed.",
      };
      return free < DISK_FAIL_BYTES ? fail(value, problem) : warn(value, problem);
    }),
    define("host.storage", "Storage", async () =>
      report === null ? noReport(host) : storageCheck(host.name, report.storage),
    ),
    {
      ...define("host.runtime", "Container runtime", async () => {
        if (report === null) return noReport(host);
        if (report.runtime.problem) return fail("cannot run a container", report.runtime.problem);
        if (report.runtime.kind === "process") return skipped("processes, no containers");
        const reply = hostVerbs["runtime.check"].reply.parse(
          await deps.request(host.host_id, "runtime.check", {}, RUNTIME_TIMEOUT_MS),
        );
        if (reply.ok)
          return ok(`created, ran and removed a container in ${(reply.took_ms / 1000).toFixed(2)} s`);
        return fail("cannot run a container", {
          ...(reply.problem ?? { code: "runtime.failed", title: `${host.name} cannot run a container` }),
        });
      }),
      timeoutMs: RUNTIME_TIMEOUT_MS,
    },
    define("host.helper", "Helper", async () => {
      if (report === null) return noReport(host);
      if (report.runtime.helper) return ok("answers");
      return warn("not there", {
        code: "helper.missing",
        title: `${host.name} has no helper`,
        why: "It was started without root: projects have no user-id range of their own and weaker limits.",
        fix: "Start the project host as root, or install it with sudo.",
      });
    }),
  ];
}
