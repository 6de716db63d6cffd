/** Virtual machines by commands, over a real database; the machine at the far end of the link is a fake that answers. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { connectFakeHost, type HubLab, openHubLab } from "../../../test/fixtures/hub-lab.ts";
import { until } from "../../../test/fixtures/running-hub.ts";
import type { CommandOrder } from "../../contract/host-verbs/commands.ts";
import { decodeJoinToken } from "../../contract/join-token.ts";
import type { Caller } from "../accounts/caller.ts";

let lab: HubLab;
let admin: Caller;
let hostId: string;
let host: ReturnType<typeof connectFakeHost>;

beforeEach(async () => {
  lab = await openHubLab();
  admin = await lab.account("ada", "admin");
  hostId = await lab.host("ember");
  host = connectFakeHost(lab, hostId);
});
afterEach(async () => {
  host.close();
  await lab.remove();
});
const call = (method: string, path = "", body?: unknown) =>
  lab.call(admin, method, `/api/hosts/${hostId}/vms${path}`, body);
async function taken(id: string): Promise<CommandOrder> {
  return await until("it was taken", async () => host.taken.get(id) as CommandOrder | undefined, 10_000);
}
const done = (command_id: string) =>
  host.tell("command-status", { command_id, state: "done", detail: null, version: "0", problem: null });

test("made with a token of its own, known again by it once it joined, and not deleted while it is a host", async () => {
  const asked = await call("POST", "", { name: "lab", cpus: 4 });
  expect([asked.status, asked.json]).toMatchObject([
    202,
    { kind: "vm-create", vm: { name: "lab", size: { cpus: 4 } } },
  ]);
  const order = await taken(asked.json.command_id);
  const { token_id } = decodeJoinToken(order.vm?.token ?? "");
  // One thing at a time on a machine.
  expect((await call("POST", "/lab/stop")).json.code).toBe("command.under-way");
  await done(asked.json.command_id);
  const commands = (await lab.call(admin, "GET", `/api/hosts/${hostId}/commands`)).json;
  expect(JSON.stringify(commands)).not.toContain(order.vm?.token ?? "?");
  const rows = await lab.db.selectFrom("host_commands").selectAll().execute();
  expect(JSON.stringify(rows)).not.toContain(order.vm?.token ?? "?");

  host.vms.push({ name: "cocalc-lab", state: "Running", ipv4: ["10.1.2.3"], release: "" });
  expect((await call("GET")).json.vms).toMatchObject([{ name: "cocalc-lab", host: null, late: false }]);
  // Multipass may take half an hour for its image alone: the token is good for longer than one that is pasted.
  const lasts = async () => {
    const [token] = await lab.tokens.list(admin);
    return (Date.parse(token?.expires_at ?? "") - Date.parse(token?.created_at ?? "")) / 60_000;
  };
  expect(await lasts()).toBe(120);
  await lab.db.updateTable("join_tokens").set({ expires_at: "2026-01-01T00:00:00.000Z" }).execute();
  expect((await call("GET")).json.vms).toMatchObject([{ host: null, late: true }]);
  const joined = await lab.host("lab");
  await lab.tokens.usedBy(token_id, joined);
  expect((await call("GET")).json.vms).toMatchObject([
    { host: { host_id: joined, name: "lab" }, late: false },
  ]);
  const refused = await call("DELETE", "/cocalc-lab");
  expect([refused.status, refused.json]).toMatchObject([
    409,
    { code: "vm.is-a-host", command: "cocalc-hub host deprovision lab" },
  ]);
  await lab.hosts.setState(joined, "gone");
  const gone = await call("DELETE", "/lab");
  expect(gone.json).toMatchObject({ kind: "vm-delete", vm: { name: "lab" } });
  expect((await taken(gone.json.command_id)).vm).toEqual({ name: "lab", size: {}, token: null });
});

test("one that could not be made leaves no token with which anybody could join", async () => {
  const asked = await call("POST", "", { name: "lab" });
  await taken(asked.json.command_id);
  const tokens = async () => (await lab.tokens.list(admin)).map(({ revoked }) => revoked);
  expect(await tokens()).toEqual([false]);
  const problem = { code: "vm.no-multipass", title: "Multipass is not installed on this machine" };
  const failed = { command_id: asked.json.command_id, state: "failed", detail: null, version: "0", problem };
  await host.tell("command-status", failed);
  expect(await tokens()).toEqual([true]);
});

test("what is no name or no size is refused before anybody is asked", async () => {
  for (const body of [{ name: "A" }, { name: "-x" }, { name: "x", cpus: 0 }, { name: "x", disk: 1.5 }])
    expect((await call("POST", "", body)).status).toBe(422);
  expect((await call("PATCH", "/lab", {})).status).toBe(422);
  expect((await call("POST", "/a%20b/start")).json.code).toBe("vm.bad-name");
  expect(host.commands).toEqual([]);
});
