/** Hosts on their way out, over a real database; the machine at the far end of the link is a fake that answers. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { connectFakeHost, ended, type HubLab, openHubLab } from "../../../test/fixtures/hub-lab.ts";
import type { Caller } from "../accounts/caller.ts";

let lab: HubLab;
let admin: Caller;
let hostId: string;
const FAR = { kind: "self-host", self_host_mode: "local" } as const;

beforeEach(async () => {
  lab = await openHubLab();
  admin = await lab.account("ada", "admin");
  hostId = await lab.host("ember", 8e9, FAR);
});
afterEach(() => lab.remove());

const post = (path: string, body: unknown = {}) => lab.call(admin, "POST", `/api${path}`, body);
const get = (path: string) => lab.call(admin, "GET", `/api${path}`);

test("a drained host is given nothing, stops what runs, and takes projects again", async () => {
  const host = connectFakeHost(lab, hostId);
  const made = await post("/projects", { name: "thesis" });
  const started = await post(`/projects/${made.json.project_id}/start`);
  await ended(lab, started.json.operation_id);
  const drain = await post(`/hosts/${hostId}/drain`, { draining: true });
  expect((await ended(lab, drain.json.operation_id)).state).toBe("done");
  expect((await get(`/projects/${made.json.project_id}`)).json.state).toBe("stopped");
  expect((await get(`/hosts/${hostId}`)).json.draining).toBe(true);
  expect((await post(`/projects/${made.json.project_id}/start`)).json.code).toBe("host.draining");
  expect((await post("/projects", { name: "other" })).json.code).toBe("project.no-host");
  expect((await post("/projects", { name: "other", host_id: hostId })).json.code).toBe("host.draining");
  await post(`/hosts/${hostId}/drain`, { draining: false });
  expect((await post("/projects", { name: "other" })).status).toBe(201);
  host.close();
});

test("a dry run changes nothing; leaving is acknowledged, then the key is worth nothing and a tombstone stays", async () => {
  const host = connectFakeHost(lab, hostId);
  const plan = await get(`/hosts/${hostId}/leaving?keep_data=1`);
  expect(plan.json).toMatchObject({
    connected: true,
    projects: [],
    removes: ["its identity"],
    keeps: ["its data"],
  });
  expect(host.commands).not.toContain("machine.leave");
  const left = await post(`/hosts/${hostId}/deprovision`, { keep_data: true });
  const done = await ended(lab, left.json.operation_id);
  expect([done.state, done.problem]).toEqual(["done", null]);
  expect(host.commands).toContain("machine.leave");
  expect(lab.ended).toContain(hostId);
  expect((await get(`/hosts/${hostId}`)).status).toBe(404);
  expect((await lab.hosts.tunnelKeys()).map((one) => one.host_id)).not.toContain(hostId);
  const [stone] = (await get("/tombstones")).json;
  expect(stone).toMatchObject({
    name: "ember",
    how: "deprovisioned",
    by: "ada",
    removed: ["its identity"],
    kept: ["its data"],
    log: "/var/log/cocalc/left.log",
  });
});

test("a project without a proven final backup stops it before anything is removed", async () => {
  const host = connectFakeHost(lab, hostId);
  const made = await post("/projects", { name: "thesis" });
  const left = await post(`/hosts/${hostId}/deprovision`, {});
  const done = await ended(lab, left.json.operation_id);
  expect(done.problem?.code).toBe("host.backup-not-proven");
  expect(done.problem?.title).toContain("thesis");
  expect(host.commands).not.toContain("machine.leave");
  expect((await get(`/hosts/${hostId}`)).status).toBe(200);
  const insisted = await post(`/hosts/${hostId}/deprovision`, { without_backups: true });
  expect((await ended(lab, insisted.json.operation_id)).state).toBe("done");
  const [stone] = (await get("/tombstones")).json;
  expect(stone.projects).toMatchObject([
    { project_id: made.json.project_id, name: "thesis", last_proven: null },
  ]);
});

test("a host that never answers is forgotten, once its consequences were accepted", async () => {
  await post("/projects", { name: "thesis" });
  expect((await post(`/hosts/${hostId}/deprovision`, {})).json.code).toBe("host.away");
  const refused = await post(`/hosts/${hostId}/forget`);
  expect([refused.json.code, refused.json.why]).toEqual([
    "host.has-projects",
    expect.stringContaining("all of thesis, of which there is no proven backup"),
  ]);
  expect((await get(`/hosts/${hostId}`)).status).toBe(200);
  const stone = await post(`/hosts/${hostId}/forget`, { accept_loss: true });
  expect(stone.json).toMatchObject({ how: "forgotten", by: "ada", projects: [{ name: "thesis" }] });
  expect((await get(`/hosts/${hostId}`)).status).toBe(404);
});

test("the hub's own machine is drained, but neither deprovisioned nor forgotten nor revoked", async () => {
  const own = await lab.host("hub");
  for (const path of ["deprovision", "forget", "revoke"]) {
    expect((await post(`/hosts/${own}/${path}`, {})).json.code).toBe("host.is-the-hub");
  }
  const drain = await post(`/hosts/${own}/drain`, { draining: true });
  expect((await ended(lab, drain.json.operation_id)).state).toBe("done");
});
