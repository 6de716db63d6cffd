/** What a machine brings along, over a real database; the machine at the far end of the link is a fake that answers. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { connectFakeHost, type HubLab, openHubLab } from "../../../test/fixtures/hub-lab.ts";
import type { Caller } from "../accounts/caller.ts";

const OLD = "2d9f1f3e-54a8-4a0e-9d8c-8d6f8f6b1b11";
let lab: HubLab;
let admin: Caller;
let hostId: string;
let host: ReturnType<typeof connectFakeHost>;

const record = (project_id: string, name: string) => ({
  project_id,
  name,
  image: "base",
  limits: { memory_bytes: 2 ** 30, cpus: 1, pids: 100 },
  generation: 7,
});

beforeEach(async () => {
  lab = await openHubLab();
  admin = await lab.account("ada", "admin");
  hostId = await lab.host("ember");
  host = connectFakeHost(lab, hostId);
  host.found.push(record(OLD, "of a former hub"));
});
afterEach(async () => {
  host.close();
  await lab.remove();
});
const post = (path: string, body: unknown = {}) =>
  lab.call(admin, "POST", `/api/hosts/${hostId}${path}`, body);
const found = async () => (await lab.call(admin, "GET", `/api/hosts/${hostId}/found`)).json.projects;

test("a project that this hub never heard of is listed, and adopted with a newer generation than the host has", async () => {
  expect(await found()).toMatchObject([{ project_id: OLD, state: "unknown" }]);
  const adopted = await post(`/found/${OLD}/adopt`);
  expect([adopted.status, adopted.json]).toMatchObject([
    200,
    { project_id: OLD, host_id: hostId, role: "owner" },
  ]);
  expect((await lab.projects.row(OLD))?.generation).toBeGreaterThan(7);
  expect(host.commands).toContain("project.create");
  expect(await found()).toEqual([]);
});

test("one whose host is gone comes home; one that lives elsewhere is an old copy, and refused", async () => {
  const other = await lab.host("birch");
  const made = await lab.call(admin, "POST", "/api/projects", { name: "thesis", host_id: other });
  const id = made.json.project_id as string;
  host.found.push(record(id, "thesis"));
  expect((await found())[1]).toMatchObject({ project_id: id, state: "elsewhere" });
  expect((await post(`/found/${id}/adopt`)).json.code).toBe("found.lives-elsewhere");
  await lab.hosts.setState(other, "gone");
  expect((await found())[1]).toMatchObject({ project_id: id, state: "homeless" });
  expect((await post(`/found/${id}/adopt`)).json).toMatchObject({ host_id: hostId, state: "stopped" });
});

test("nothing is wiped without its name, nor what this host runs for this hub", async () => {
  expect((await post(`/found/${OLD}/wipe`, { name: "of a former" })).json.code).toBe("found.name-differs");
  expect(host.commands).not.toContain("project.remove");
  expect((await post(`/found/${OLD}/wipe`, { name: "of a former hub" })).status).toBe(200);
  expect(host.commands).toContain("project.remove");
  const mine = await lab.call(admin, "POST", "/api/projects", { name: "mine", host_id: hostId });
  host.found.push(record(mine.json.project_id, "mine"));
  expect((await post(`/found/${mine.json.project_id}/wipe`, { name: "mine" })).status).toBe(404);
});
