/** What a project uses, what keeps it awake, and that an idle one is warned and stopped. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import type { Project } from "../../src/contract/api.ts";
import type { Usage } from "../../src/contract/usage.ts";
import { localGet, type RunningHub, startHub, until } from "../fixtures/running-hub.ts";

const CAN = process.getuid?.() === 0;
const LONG = process.env.COCALC_TEST_LONG === "1";
const SLOW = 120_000;
const MIB = 2 ** 20;

describe.skipIf(!CAN)("limits and idling (needs root for podman)", () => {
  let hub: RunningHub;
  let id: string;
  const usage = async () =>
    (await localGet<{ usage: Usage | null }>(hub.dataDir, `/api/projects/${id}/usage`)).usage;
  const project = () => hub.json<Project>("project", "show", id);

  beforeAll(async () => {
    hub = await startHub();
    const file = `${hub.dataDir}/password`;
    writeFileSync(file, "correct horse battery\n");
    const made = await hub.cli("setup", "--email", "ada@example.com", "--password-file", file);
    expect({ code: made.code, stderr: made.code === 0 ? "" : made.stderr }).toEqual({ code: 0, stderr: "" });
    await until(
      "the host is ready",
      async () => {
        const hosts = await hub.json<{ state: string }[]>("host", "list");
        return hosts.some((one) => one.state === "ready");
      },
      30_000,
    );
    id = (await hub.json<Project>("project", "create", "--name", "limits")).project_id;
    await hub.json("project", "start", id);
  }, SLOW);
  afterAll(async () => {
    await hub?.stop();
  }, SLOW);

  test(
    "memory, processors and processes are the project's own",
    async () => {
      const quiet = await until("figures", async () => (await usage()) ?? undefined, 10_000);
      expect(quiet.processes).toBeGreaterThan(0);
      expect(quiet.processes).toBeLessThan(30);
      expect(quiet.memory_bytes).toBeGreaterThan(MIB);
      const work = hub.cli(
        "project",
        "exec",
        id,
        "--",
        "sh",
        "-c",
        "head -c 100000000 /dev/zero | tail -c 1 >/dev/null & end=$(($(date +%s)+4)); while [ $(date +%s) -lt $end ]; do :; done; wait",
      );
      const busy = await until(
        "it is seen to work",
        async () => {
          const now = await usage();
          return now && now.cpus > 0.2 ? now : undefined;
        },
        10_000,
      );
      expect(busy.awake_by.join()).toMatch(/CPUs/);
      expect((await work).code).toBe(0);
    },
    SLOW,
  );

  test(
    "more memory than it may have, and more processes: what asked for them is refused or ended, its agent lives on",
    async () => {
      const inside = (script: string) => hub.cli("project", "exec", id, "--", "bash", "-c", script);
      expect((await hub.cli("project", "limits", id, "--memory", "512M", "--pids", "100")).code).toBe(0);
      await hub.json("project", "stop", id);
      await hub.json("project", "start", id);
      expect((await inside("echo here >/tmp/mark")).code).toBe(0);
      expect((await inside(`python3 -c 'x = b"x" * (700 << 20)'`)).code).toBe(137);
      // Each of them is smaller than the agent, and all together too much.
      const small = `python3 -c 'import time; x = b"x" * (16 << 20); time.sleep(5)'`;
      const few = await inside(`for i in $(seq 60); do ${small} & done; wait -n; echo $?; wait`);
      expect(few.stdout).toBe("137\n");
      const forks = "import os, time\ntry:\n  while os.fork(): pass\nfinally: time.sleep(8)";
      const many = inside(`python3 -c '${forks}'`);
      const refused = await until(
        "it is full",
        async () => {
          const one = await inside("true");
          return one.code !== 0 && one;
        },
        8_000,
      );
      expect(refused.stderr).toContain("as many processes as it may  [exec.too-many]");
      expect((await usage())?.processes).toBeGreaterThan(90);
      expect((await many).stderr).toContain("Resource temporarily unavailable");
      // The same container as before, and it can be worked in once there is room.
      await until("room again", async () => (await inside("true")).code === 0, 20_000);
      expect((await inside("cat /tmp/mark")).stdout).toBe("here\n");
      // What the agent's own threads need is kept for them.
      const own = await inside("ulimit -Su; grep 'Max processes' /proc/$PPID/limits");
      expect(own.stdout).toMatch(/^100\nMax processes +(\d+) +\1 /);
    },
    SLOW,
  );

  test.skipIf(!LONG)(
    "an idle project is warned, then stopped, and says why",
    async () => {
      const patched = await fetch(`http://localhost/api/projects/${id}`, {
        method: "PATCH",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ idle_minutes: 1 }),
        unix: `${hub.dataDir}/launchpad/run/hub.sock`,
      } as RequestInit);
      expect(patched.status).toBe(200);
      const warned = await until(
        "the warning",
        async () => {
          const now = await project();
          return now.problem?.code === "project.idle-soon" ? now : undefined;
        },
        90_000,
      );
      expect(warned.state).toBe("running");
      const stopped = await until(
        "the stop",
        async () => {
          const now = await project();
          return now.state === "stopped" ? now : undefined;
        },
        90_000,
      );
      expect(stopped.problem?.code).toBe("project.idle");
      await hub.json("project", "start", id);
      expect((await project()).problem).toBeNull();
    },
    240_000,
  );
});
