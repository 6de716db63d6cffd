/** Commands to machines, over a real database; the machine at the far end of the link is a fake that answers. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { connectFakeHost, type HubLab, openHubLab } from "../../../test/fixtures/hub-lab.ts";
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
