/** Commands to machines, over a real database; the machine at the far end of the link is a fake that answers. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { connectFakeHost, ended, type HubLab, openHubLab } from "../../../test/fixtures/hub-lab.ts";
import { until } from "../../../test/fixtures/running-hub.ts";
import { VERSION } from "../../core/version.ts";
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

const post = (path: string, body?: unknown) => lab.call(admin, "POST", `/api/hosts/${hostId}${path}`, body);
const newest = async () => (await lab.call(admin, "GET", `/api/hosts/${hostId}/commands`)).json[0];
const status = (command_id: string, state: string, more: object = {}) => ({
  command_id,
  state,
  detail: null,
  version: "0.2.0",
  problem: null,
  ...more,
});

test("a machine that is away gets it when it comes back, once; its last word ends it, and no later one", async () => {
  const asked = await post("/upgrade", {});
  expect(asked.status).toBe(202);
  expect(asked.json).toMatchObject({ state: "waiting", version: VERSION, from_version: "0" });
  expect((await post("/rollback")).json.code).toBe("command.under-way");
  const host = connectFakeHost(lab, hostId);
  await until("it was taken", async () => (await newest()).state === "running", 10_000);
  expect([...host.taken.values()]).toEqual([
    { command_id: asked.json.command_id, kind: "upgrade", version: VERSION },
  ]);
  expect((await post(`/commands/${asked.json.command_id}/cancel`)).json.code).toBe("command.taken");
  await host.tell("command-status", status(asked.json.command_id, "running", { detail: "files" }));
  expect((await newest()).detail).toBe("files");
  // Told twice, since the first answer may have been lost.
  for (const state of ["done", "failed"])
    await host.tell("command-status", status(asked.json.command_id, state));
  expect(await newest()).toMatchObject({ state: "done", to_version: "0.2.0" });
  expect((await post("/rollback")).json).toMatchObject({ kind: "rollback", version: null });
  const actions = (await lab.audit.list(admin)).map((one) => one.action);
  expect(actions).toEqual(expect.arrayContaining(["host.upgrade", "host.upgrade-done", "host.rollback"]));
  host.close();
});

test("what a machine says of another's command is not believed", async () => {
  const other = await lab.host("cinder", 8e9, FAR);
  const host = connectFakeHost(lab, other);
  const asked = await post("/upgrade", {});
  await host.tell("command-status", status(asked.json.command_id, "done"));
  expect((await newest()).state).toBe("waiting");
  host.close();
});

test("one that still waits can be cancelled; a host gets no other version than the hub's", async () => {
  const asked = await post("/upgrade", {});
  expect((await post(`/commands/${asked.json.command_id}/cancel`)).json.state).toBe("cancelled");
  expect((await post("/upgrade", { version: "9.9.9" })).json.code).toBe("upgrade.hub-version");
  expect((await post("/upgrade", { version: "--rollback" })).status).toBe(422);
});

test("a project that changed is backed up first; where that fails nothing is upgraded, unless it is asked for without", async () => {
  const host = connectFakeHost(lab, hostId);
  const made = await lab.call(admin, "POST", "/api/projects", { name: "thesis" });
  const started = await lab.call(admin, "POST", `/api/projects/${made.json.project_id}/start`);
  await ended(lab, started.json.operation_id);
  // The fake machine knows no backups.
  await post("/upgrade", {});
  await until("it ended", async () => (await newest()).finished_at !== null, 20_000);
  expect(await newest()).toMatchObject({
    state: "failed",
    without_backups: false,
    problem: {
      code: "upgrade.not-backed-up",
      why: expect.stringContaining("thesis"),
      command: "cocalc-hub host upgrade ember --without-backups",
    },
  });
  expect(host.taken.size).toBe(0);
  await post("/upgrade", { without_backups: true });
  await until("it was taken", async () => (await newest()).state === "running", 10_000);
  expect((await newest()).backup_operation).toBe(null);
  host.close();
});

test("one whose projects are being backed up can be cancelled; that ends the backups too", async () => {
  const host = connectFakeHost(lab, hostId);
  lab.operations.register("host.backup", {
    steps: [["backed-up", "They are backed up"]],
    async run({ signal, step }) {
      await step("backed-up", { state: "running", detail: "1 of 2: thesis" });
      await new Promise((_, stop) => signal.addEventListener("abort", () => stop(new Error("cancelled"))));
    },
  });
  const asked = await post("/upgrade", {});
  await until("it says how far it is", async () => (await newest()).detail === "1 of 2: thesis", 10_000);
  expect((await newest()).state).toBe("backing-up");
  const cancelled = await post(`/commands/${asked.json.command_id}/cancel`);
  expect(cancelled.json.state).toBe("cancelled");
  expect((await ended(lab, cancelled.json.backup_operation)).state).toBe("cancelled");
  expect(host.taken.size).toBe(0);
  host.close();
});
