/**
 * Bad days, on real parts: each process killed with -9 comes back by itself within ten seconds, and what did not depend
 * on it goes on; packets dropped (not refused) between hub and host; a host that vanishes and comes back.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Host, Project } from "../../src/contract/api.ts";
import { removeDataDir } from "../fixtures/data-dir.ts";
import { makeNatLab, type NatLab } from "../fixtures/nat-lab.ts";
import { type Joined, joinByPaste } from "../fixtures/pasted-line.ts";
import { processOf, signalFound } from "../fixtures/processes.ts";
import { type RunningHub, startHub, until } from "../fixtures/running-hub.ts";

const ROOT = process.getuid?.() === 0;
const SLOW = 180_000;
const BACK_MS = 10_000;
/** How long packets are dropped. The design asks for 90 s; COCALC_TEST_LONG=1 takes that. */
const CUT_MS = process.env.COCALC_TEST_LONG === "1" ? 90_000 : 25_000;
const BACK_AFTER_CUT_MS = 30_000;
/** More than a page waits for a host. */
const BUSY_MS = 14_000;

describe.skipIf(!ROOT)("bad days (needs root: podman, namespaces)", () => {
  let hub: RunningHub;
  let lab: NatLab;
  let hostDir: string;
  let joined: Joined | undefined;
  let near: Project;
  let far: Project;
  let farHost: string;

  async function run(hostId: string, name: string): Promise<Project> {
    const made = await hub.json<Project>("project", "create", "--name", name, "--host", hostId);
    await hub.json("project", "start", made.project_id);
    // A program that must survive: it tells its own pid for ever.
    await hub.cli(
      "project",
      "exec",
      made.project_id,
      "--",
      "sh",
      "-c",
      "(exec setsid sleep 100000) >/dev/null 2>&1 </dev/null & echo $! > pid",
    );
    return await hub.json<Project>("project", "show", made.project_id);
  }
  const survives = async (project: Project) => {
    const said = await hub.cli(
      "project",
      "exec",
      project.project_id,
      "--",
      "sh",
      "-c",
      "kill -0 $(cat pid) && echo alive",
    );
    return said.stdout.trim() === "alive";
  };
  /** Kills the process and waits until another has taken its place. */
  async function kill(marker: string, match: (argv: string[]) => boolean): Promise<number> {
    const before = processOf(marker, match);
    if (!before) throw new Error("it does not run");
    process.kill(before.pid, "SIGKILL");
    const began = Date.now();
    await until(
      "it is back",
      async () => {
        const now = processOf(marker, match);
        return now !== undefined && now.pid !== before.pid;
      },
      BACK_MS,
    );
    return began;
  }

  beforeAll(async () => {
    lab = await makeNatLab();
    hub = await startHub();
    hostDir = mkdtempSync(join(tmpdir(), "cc-far-"));
    chmodSync(hostDir, 0o755);
    const file = join(hostDir, "password");
    writeFileSync(file, "correct horse battery\n", { mode: 0o600 });
    await hub.json("setup", "--email", "ada@example.com", "--password-file", file);
    joined = await joinByPaste(hub, lab, hostDir);
    farHost = joined.host.host_id;
    const local = await until(
      "this machine is ready",
      async () =>
        (await hub.json<Host[]>("host", "list")).find(
          (one) => one.type.kind === "local" && one.state === "ready",
        ),
      60_000,
    );
    near = await run(local.host_id, "near");
    far = await run(farHost, "far");
  }, SLOW);

  afterAll(async () => {
    await joined?.end();
    await hub?.stop();
    await lab?.destroy();
    if (hostDir) await removeDataDir(hostDir);
  }, SLOW);

  const tunnelUp = async () => {
    const host = await hub.json<Host>("host", "show", farHost);
    return host.tunnel.state === "up" && host.state === "ready" && host;
  };

  test(
    "the hub killed: it is back, hosts come back, projects and their programs never noticed",
    async () => {
      await kill(hub.dataDir, (argv) => argv[1] === "serve" && (argv[0] ?? "").endsWith("cocalc-hub"));
      await until("the far host is ready", tunnelUp, BACK_MS * 2);
      expect(await until("near", () => survives(near), BACK_MS)).toBe(true);
      expect(await until("far", () => survives(far), BACK_MS)).toBe(true);
    },
    SLOW,
  );

  test(
    "sshd killed: it is back, and live tunnels were never cut",
    async () => {
      const before = processOf(hostDir, (argv) => (argv[0] ?? "").endsWith("ssh") && argv.includes("-R"));
      await kill(join(hub.dataDir, "launchpad/ssh/sshd_config"), (argv) =>
        argv.join(" ").includes("[listener]"),
      );
      const after = processOf(hostDir, (argv) => (argv[0] ?? "").endsWith("ssh") && argv.includes("-R"));
      expect(after?.pid).toBe(before?.pid);
      expect(await survives(far)).toBe(true);
    },
    SLOW,
  );

  test(
    "the tunnel's ssh killed: the tunnel is back",
    async () => {
      await kill(hostDir, (argv) => (argv[0] ?? "").endsWith("ssh") && argv.includes("-R"));
      await until("the tunnel is up", tunnelUp, BACK_MS * 2);
      expect(await until("far", () => survives(far), BACK_MS)).toBe(true);
    },
    SLOW,
  );

  test(
    "the host's daemon, its helper and its connector killed: adopted, not restarted",
    async () => {
      for (const part of ["serve", "helper", "connector"]) {
        await kill(hostDir, (argv) => argv[1] === part);
      }
      await until("the far host is ready", tunnelUp, BACK_MS * 2);
      expect(await until("far", () => survives(far), BACK_MS * 2)).toBe(true);
    },
    SLOW,
  );

  test(
    "a host that is too busy to answer for a while: a command waits for it",
    async () => {
      const daemon = processOf(
        hub.dataDir,
        (argv) => argv[1] === "serve" && (argv[0] ?? "").endsWith("-host"),
      );
      signalFound(daemon?.pid, "SIGSTOP");
      const ran = hub.cli("project", "exec", near.project_id, "--", "echo", "at last");
      await Bun.sleep(BUSY_MS);
      signalFound(daemon?.pid, "SIGCONT");
      expect(await ran).toMatchObject({ code: 0, stdout: "at last\n" });
    },
    SLOW,
  );

  test(
    `packets dropped for ${CUT_MS / 1000} s: away is told, and the tunnel is back soon after the network is`,
    async () => {
      await lab.cut();
      await Bun.sleep(CUT_MS);
      const during = await hub.json<Host>("host", "show", farHost);
      expect(during.tunnel.state).toBe("down");
      expect(["offline", "degraded"]).toContain(during.state);
      await lab.heal();
      await until("the tunnel is up again", tunnelUp, BACK_AFTER_CUT_MS);
      expect(await until("far", () => survives(far), BACK_MS)).toBe(true);
    },
    SLOW,
  );
});
