import { afterAll, beforeAll, expect, test } from "bun:test";
import { connectFakeHost, ended, type HubLab, openHubLab } from "../../../test/fixtures/hub-lab.ts";
import { type Caller, LOCAL_ADMIN } from "../accounts/caller.ts";

let lab: HubLab;
let owner: Caller;
let hostId: string;
let host: ReturnType<typeof connectFakeHost>;
beforeAll(async () => {
  lab = await openHubLab();
  owner = await lab.account("owner", "admin");
  hostId = await lab.host("box");
  host = connectFakeHost(lab, hostId);
});
afterAll(async () => {
  host.close();
  await lab.remove();
});

const create = (name: string) => lab.projectService.create(owner, { name });
const state = async (id: string) => (await lab.projects.get(owner, id)).state;

test("from creation to deletion, each a durable operation with its steps", async () => {
  const project = await create("life");
  expect([project.state, project.host_name, project.role]).toEqual(["stopped", "box", "owner"]);
  const started = await lab.projectService.act(owner, project.project_id, "start");
  expect(started.state).toBe("pending");
  const done = await ended(lab, started.operation_id);
  expect(done.state).toBe("done");
  expect(done.steps.map((step) => step.state)).toEqual(["done", "done"]);
  expect(done.steps[0]?.started_at).toBeString();
  expect(await state(project.project_id)).toBe("running");
  await ended(lab, (await lab.projectService.act(owner, "life", "stop")).operation_id);
  expect(await state(project.project_id)).toBe("stopped");
  await ended(lab, (await lab.projectService.act(owner, project.project_id, "delete")).operation_id);
  expect(await lab.projects.list(owner)).toEqual([]);
  const actions = (await lab.audit.list(owner)).map((entry) => entry.action);
  expect(actions).toContain("project.delete");
});

test("a stop does not wait for a start that hangs", async () => {
  const { project_id } = await create("stuck");
  host.stick(true);
  const start = await lab.projectService.act(owner, project_id, "start");
  while ((await state(project_id)) !== "starting") await Bun.sleep(5);
  const stop = await lab.projectService.act(owner, project_id, "stop");
  expect((await ended(lab, start.operation_id)).state).toBe("cancelled");
  expect((await ended(lab, stop.operation_id)).state).toBe("done");
  expect(await state(project_id)).toBe("stopped");
  host.stick(false);
});

test("two starts at once come one after the other", async () => {
  const { project_id } = await create("double");
  const before = host.commands.length;
  const both = await Promise.all([
    lab.projectService.act(owner, project_id, "start"),
    lab.projectService.act(owner, project_id, "start"),
  ]);
  const [a, b] = await Promise.all(both.map((one) => ended(lab, one.operation_id)));
  expect([a?.state, b?.state]).toEqual(["done", "done"]);
  expect((b?.steps[0]?.started_at ?? "") >= (a?.finished_at ?? "x")).toBe(true);
  expect(host.commands.slice(before)).toEqual(["project.start", "project.start"]);
});

test("what runs on a host that is not heard of is away, and runs again when it is", async () => {
  const { project_id } = await create("away");
  await ended(lab, (await lab.projectService.act(owner, project_id, "start")).operation_id);
  host.close();
  await Bun.sleep(5);
  expect(await state(project_id)).toBe("away");
  host = connectFakeHost(lab, hostId);
  expect(await state(project_id)).toBe("running");
});

test("a name that two share asks for the id", async () => {
  const first = await create("twin");
  await create("twin");
  const code = await lab.projects.get(owner, "twin").catch((error) => error.code);
  expect(code).toBe("project.ambiguous");
  expect((await lab.projects.get(owner, first.project_id)).name).toBe("twin");
});

test("without a ready host a project is refused with the cause", async () => {
  const empty = await openHubLab();
  const caller = await empty.account("lonely");
  const refused = await empty.call(caller, "POST", "/api/projects", { name: "x" });
  expect([refused.status, refused.json.code]).toEqual([409, "project.no-host"]);
  await empty.host("off");
  const none = crypto.randomUUID();
  const unknown = await empty.call(caller, "POST", "/api/projects", { name: "x", host_id: none });
  expect([unknown.status, unknown.json.errors[0].path]).toEqual([422, "host_id"]);
  const local = await empty.call(LOCAL_ADMIN, "POST", "/api/projects", { name: "x" });
  expect(local.json.code).toBe("project.no-owner");
  await empty.remove();
});

test("what a hub's end interrupted is taken up by the next", async () => {
  const first = await openHubLab();
  const caller = await first.account("owner");
  const id = await first.host("box");
  const before = connectFakeHost(first, id);
  before.stick(true);
  const { project_id } = await first.projectService.create(caller, { name: "restarted" });
  const operation = await first.projectService.act(caller, project_id, "start");
  while ((await first.projects.get(caller, project_id)).state !== "starting") await Bun.sleep(5);
  const second = await openHubLab(first.dir);
  const after = connectFakeHost(second, id);
  await second.operations.resume();
  await Bun.sleep(300);
  // The first still works on it: two hubs on one file do not both.
  expect(after.commands).toEqual([]);
  expect((await second.operations.get(LOCAL_ADMIN, operation.operation_id)).attempt).toBe(1);
  // As after kill -9: nothing is told, the file is what there is, and its process is gone.
  await first.db
    .updateTable("leases")
    .set((eb) => ({
      owner: eb.fn<string>("replace", ["owner", eb.val(`${process.pid} `), eb.val("999999999 ")]),
    }))
    .execute();
  await second.operations.resume();
  const done = await ended(second, operation.operation_id);
  expect([done.state, done.attempt]).toEqual(["done", 2]);
  expect(after.commands).toEqual(["project.start"]);
  // What lost its lease has no say any more.
  await first.operations.cancel(LOCAL_ADMIN, operation.operation_id);
  await Bun.sleep(300);
  expect((await second.operations.get(LOCAL_ADMIN, operation.operation_id)).state).toBe("done");
  before.close();
  after.close();
  await Bun.sleep(150);
  await first.close();
  await second.remove();
});

test("what never ends is given up, with the cause", async () => {
  const operation_id = crypto.randomUUID();
  await lab.db
    .insertInto("operations")
    .values({
      operation_id,
      kind: "project.start",
      state: "running",
      subject_kind: "project",
      subject_id: crypto.randomUUID(),
      subject_name: "x",
      steps: "[]",
      attempt: 5,
      problem: null,
      requested_by: owner.account_id,
      created_at: new Date().toISOString(),
      finished_at: null,
    })
    .execute();
  await lab.operations.resume();
  const given = await ended(lab, operation_id);
  expect([given.state, given.problem?.code]).toEqual(["failed", "operation.too-many-attempts"]);
});

test("the disk limit: an admin's default, an owner's maximum, and lifting it is asking for the most", async () => {
  const plain = await lab.account("plain-owner", "user");
  expect((await create("usual")).limits.disk_bytes).toBe(20 * 2 ** 30);
  await lab.settings.set(LOCAL_ADMIN, { max_disk_gb: 10 });
  expect((await create("never-above-it")).limits.disk_bytes).toBe(10 * 2 ** 30);
  const mine = await lab.projectService.create(plain, { name: "mine", limits: { disk_bytes: 5 * 2 ** 30 } });
  const change = (disk_bytes: number | null) =>
    lab.projectService.change(plain, mine.project_id, { limits: { disk_bytes } }).then(
      ({ limits }) => limits.disk_bytes,
      (error: { code: string }) => error.code,
    );
  expect(await change(11 * 2 ** 30)).toBe("project.above-maximum");
  expect(await change(null)).toBe("project.above-maximum");
  expect(await change(9 * 2 ** 30)).toBe(9 * 2 ** 30);
  // What is not named stays.
  const kept = await lab.projectService.change(plain, mine.project_id, { limits: { cpus: 1 } });
  expect([kept.limits.cpus, kept.limits.disk_bytes]).toEqual([1, 9 * 2 ** 30]);
  const raised = await lab.projectService.change(LOCAL_ADMIN, mine.project_id, {
    limits: { disk_bytes: null },
  });
  expect(raised.limits.disk_bytes).toBeNull();
  await lab.settings.set(LOCAL_ADMIN, { max_disk_gb: 0, default_disk_gb: 0 });
  expect((await create("no-limit")).limits.disk_bytes).toBeNull();
});

test("a host that was away when a project was changed gets what it missed, once it tells how far it is", async () => {
  const { project_id } = await create("changed-meanwhile");
  await lab.projects.change(owner, project_id, { limits: { disk_bytes: 2 ** 30 } });
  const told = (generation?: number) =>
    host.tell("project-status", { ...host.status(project_id, "running"), generation });
  const sent = () => host.commands.filter((verb) => verb === "project.create").length;
  const before = sent();
  await told(2);
  await told(undefined);
  expect(sent()).toBe(before);
  await told(1);
  expect(sent()).toBe(before + 1);
  const elsewhere = await lab.host("elsewhere");
  const other = connectFakeHost(lab, elsewhere);
  await other.tell("project-status", { ...other.status(project_id, "running"), generation: 1 });
  expect(other.commands).toEqual([]);
  other.close();
});
