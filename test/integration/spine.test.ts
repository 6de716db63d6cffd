/**
 * The spine, as a newcomer walks it: `up`, an admin account, a ready host, a project, a command in it, a web server in
 * it opened under /<project_id>/proxy/8000/; then a second machine behind NAT joins with the one pasted line and does
 * the same through its reverse tunnel. Real binaries, sshd, ssh, podman.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DoctorReport, Host, Project } from "../../src/contract/api.ts";
import { apiKeyOf } from "../fixtures/accounts.ts";
import { removeDataDir } from "../fixtures/data-dir.ts";
import { makeNatLab, type NatLab } from "../fixtures/nat-lab.ts";
import { type Joined, joinByPaste } from "../fixtures/pasted-line.ts";
import { type RunningHub, startHub, until } from "../fixtures/running-hub.ts";

const ROOT = process.getuid?.() === 0;
const SLOW = 120_000;

async function runningProject(hub: RunningHub, name: string, hostId: string): Promise<Project> {
  const created = await hub.json<Project>("project", "create", "--name", name, "--host", hostId);
  await hub.json("project", "start", created.project_id);
  return await until(
    `${name} runs`,
    async () => {
      const project = await hub.json<Project>("project", "show", created.project_id);
      if (project.state === "failed") throw new Error(JSON.stringify(project.problem));
      return project.state === "running" && project;
    },
    60_000,
  );
}

/** Starts a web server in the project and reads a page of it through the hub's apps gateway with an API key. */
async function servesApp(hub: RunningHub, project: Project, apiKey: string, marker: string): Promise<void> {
  const started = await hub.cli(
    "project",
    "exec",
    project.project_id,
    "--",
    "sh",
    "-c",
    `mkdir -p www && echo ${marker} > www/hello.txt && (cd www && exec setsid python3 -m http.server 8000 --bind 127.0.0.1) >/dev/null 2>&1 </dev/null &`,
  );
  expect(started.stderr).toBe("");
  expect(started.code).toBe(0);
  const body = await until(
    "the app answers through the gateway",
    async () => {
      const response = await fetch(`${hub.appsUrl}/${project.project_id}/proxy/8000/hello.txt`, {
        headers: {
          authorization: `Bearer ${apiKey}`,
          host: `${project.project_id}.localhost:${hub.basePort + 4}`,
        },
        redirect: "manual",
      });
      const text = await response.text();
      if (response.status !== 200) throw new Error(`${response.status} ${text.slice(0, 300)}`);
      return text;
    },
    15_000,
  );
  expect(body.trim()).toBe(marker);
}

describe.skipIf(!ROOT)("the spine on one machine and through NAT (needs root: podman, namespaces)", () => {
  let hub: RunningHub;
  let apiKey: string;
  let lab: NatLab;
  let hostDir: string;
  let joined: Joined | undefined;

  beforeAll(async () => {
    lab = await makeNatLab();
    hub = await startHub();
    hostDir = mkdtempSync(join(tmpdir(), "cc-host-"));
    chmodSync(hostDir, 0o755);
  }, SLOW);

  afterAll(async () => {
    await joined?.end();
    await hub?.stop();
    await lab?.destroy();
    if (hostDir) await removeDataDir(hostDir);
  }, SLOW);

  test(
    "an admin account without a browser, and this machine becomes a ready host by itself",
    async () => {
      const file = join(hostDir, "password");
      writeFileSync(file, "correct horse battery\n", { mode: 0o600 });
      await hub.json("setup", "--email", "ada@example.com", "--name", "Ada", "--password-file", file);
      const again = await hub.cli(
        "setup",
        "--email",
        "eve@example.com",
        "--name",
        "Eve",
        "--password-file",
        file,
      );
      expect(again.code).not.toBe(0);
      const host = await until(
        "the local host is ready",
        async () => (await hub.json<Host[]>("host", "list")).find((one) => one.state === "ready"),
        30_000,
      );
      expect(host.type.kind).toBe("local");
      expect(host.tunnel.state).toBe("none");
      apiKey = await apiKeyOf(hub, "ada@example.com");
    },
    SLOW,
  );

  test(
    "a project starts, runs a command with its exit code and streams, and its web server opens in the browser",
    async () => {
      const [host] = await hub.json<Host[]>("host", "list");
      const project = await runningProject(hub, "first", host?.host_id ?? "");
      const ran = await hub.cli(
        "project",
        "exec",
        project.project_id,
        "--",
        "sh",
        "-c",
        "echo out; echo err >&2; exit 7",
      );
      expect([ran.stdout.trim(), ran.stderr.trim(), ran.code]).toEqual(["out", "err", 7]);
      await servesApp(hub, project, apiKey, "from-this-machine");
    },
    SLOW,
  );

  test(
    "a machine behind NAT joins with the pasted line; a project there works the same through the tunnel",
    async () => {
      joined = await joinByPaste(hub, lab, hostDir);
      const { host } = joined;
      expect(host.checklist.map((step) => step.state)).toEqual(host.checklist.map(() => "done"));
      const project = await runningProject(hub, "far", host.host_id);
      await servesApp(hub, project, apiKey, "from-behind-nat");
    },
    SLOW * 2,
  );

  test(
    "doctor finds every part healthy",
    async () => {
      const report = await hub.json<DoctorReport>("doctor");
      const bad = report.checks.filter((check) => check.status === "fail" || check.status === "unknown");
      expect(bad).toEqual([]);
      expect(report.healthy).toBe(true);
    },
    SLOW,
  );
});
