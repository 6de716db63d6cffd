import { afterAll, beforeAll, expect, test } from "bun:test";
import { type HubLab, openHubLab } from "../../../test/fixtures/hub-lab.ts";
import { Peer } from "../../conat/peer.ts";
import { memoryTransports } from "../../conat/transport-stream.ts";
import type { SshPresent } from "../../contract/host-verbs/ssh.ts";
import { type Caller, LOCAL_ADMIN } from "../accounts/caller.ts";
import { type BrowserLinks, createBrowserLinks } from "./browser-links.ts";
import { createSshPresence } from "./ssh-present.ts";

let lab: HubLab;
let links: BrowserLinks;
beforeAll(async () => {
  lab = await openHubLab();
  links = createBrowserLinks({
    events: lab.events,
    membersOf: lab.projects.membersOf,
    maySeeOperation: lab.operations.maySee,
    account: lab.accounts.byId,
    overSsh: createSshPresence(lab),
  });
});
afterAll(() => lab.remove());

function open(caller: Caller) {
  const [near, far] = memoryTransports();
  links.attach(new Peer(near, { heartbeat: false }), caller);
  const peer = new Peer(far, { heartbeat: false });
  const heard: string[] = [];
  peer.subscribe("changed", (_subject, data) => heard.push((data as { kind: string }).kind));
  let closed: string | undefined;
  peer.onClose((error) => {
    closed = error.code;
  });
  return { peer, heard, closed: () => closed };
}
const settle = () => Bun.sleep(20);

test("each hears of what it may see alone", async () => {
  const [owner, stranger, admin] = [
    await lab.account("owner"),
    await lab.account("stranger"),
    await lab.account("admin", "admin"),
  ];
  const hostId = await lab.host("box");
  const [a, b, c] = [open(owner), open(stranger), open(admin)];
  await settle();
  for (const one of [a, b, c]) one.heard.length = 0;
  const project = await lab.projectService.create(owner, { name: "secret", host_id: hostId });
  lab.events.changed("host", hostId);
  lab.events.changed("token", "t");
  lab.events.changed("settings", "hub");
  await settle();
  expect(a.heard).toEqual(["project", "settings"]);
  expect(b.heard).toEqual(["settings"]);
  expect(c.heard).toEqual(["host", "token", "settings"]);
  const operation = await lab.projectService.act(owner, project.project_id, "start");
  await settle();
  expect(a.heard).toContain("operation");
  expect(b.heard).not.toContain("operation");
  await lab.operations.cancel(LOCAL_ADMIN, operation.operation_id);
  for (const one of [a, b, c]) one.peer.close();
});

test("one browser's publication reaches no other", async () => {
  const [a, b] = [open(await lab.account("p")), open(await lab.account("q"))];
  await settle();
  b.heard.length = 0;
  a.peer.publish("changed", { kind: "host", id: "forged" });
  await settle();
  expect(b.heard).toEqual([]);
  expect(await a.peer.request("hub.echo", { n: 1 })).toEqual({ n: 1 });
});

test("a socket ends with its account's suspension or change of role", async () => {
  const [eve, bo] = [await lab.account("eve"), await lab.account("bo")];
  const [a, b] = [open(eve), open(bo)];
  await lab.accounts.rename(eve, "Eve");
  await settle();
  expect(a.closed()).toBeUndefined();
  await lab.accounts.update(LOCAL_ADMIN, eve.account_id, { suspended: true });
  await settle();
  expect([a.closed() !== undefined, b.closed()]).toEqual([true, undefined]);
});

test("who is in a project is told to its members alone, and no longer once removed or gone", async () => {
  const [owner, member, stranger] = [
    await lab.account("p-owner"),
    await lab.account("p-member"),
    await lab.account("p-stranger"),
  ];
  const hostId = await lab.host("p-box");
  const { project_id } = await lab.projectService.create(owner, { name: "shared", host_id: hostId });
  await lab.member(project_id, member, "viewer");
  const [a, b, c] = [open(owner), open(member), open(stranger)];
  const told: string[][] = [];
  const strange: unknown[] = [];
  a.peer.subscribe("presence", (_subject, data) =>
    told.push((data as { people: { name: string }[] }).people.map((one) => one.name)),
  );
  c.peer.subscribe("presence", (_subject, data) => strange.push(data));
  await settle();
  await a.peer.request("hub.here", { project_id });
  await b.peer.request("hub.here", { project_id });
  const reply = (await c.peer.request("hub.here", { project_id })) as { present: unknown[] };
  await settle();
  expect(told.at(-1)).toEqual(["p-owner", "p-member"]);
  expect([reply.present, strange]).toEqual([[], []]);
  await lab.db
    .deleteFrom("members")
    .where("project_id", "=", project_id)
    .where("account_id", "=", member.account_id)
    .execute();
  lab.events.changed("project", project_id);
  await settle();
  expect(told.at(-1)).toEqual(["p-owner"]);
  for (const one of [a, b, c]) one.peer.close();
});

/** A host's end of its control link. */
function hostLink(hostId: string) {
  const [near, far] = memoryTransports();
  lab.links.attach(hostId, new Peer(near, { heartbeat: false }));
  const peer = new Peer(far, { heartbeat: false });
  const tell = (logins: Omit<SshPresent["logins"][number], "fingerprint">[]) =>
    peer.request(`hub.${hostId}.ssh-present`, {
      logins: logins.map((one) => ({ ...one, fingerprint: "SHA256:x" })),
    });
  return { peer, tell };
}

test("who is there over SSH is told as such, of members and of the host's own projects alone, until its link ends", async () => {
  const [owner, stranger] = [await lab.account("s-owner"), await lab.account("s-stranger")];
  const [hostId, otherId] = [await lab.host("s-box"), await lab.host("s-other")];
  const { project_id } = await lab.projectService.create(owner, { name: "s", host_id: hostId });
  const [a, b] = [open(owner), open(stranger)];
  const told: unknown[] = [];
  a.peer.subscribe("presence", (_subject, data) => told.push((data as { people: unknown }).people));
  b.peer.subscribe("presence", (_subject, data) => told.push(["a stranger heard", data]));
  await settle();
  const host = hostLink(hostId);
  const by = "account";
  await host.tell([
    { project_id, account_id: owner.account_id, by },
    { project_id, account_id: stranger.account_id, by },
    { project_id, account_id: null, by: "authorized_keys" },
  ]);
  await settle();
  const { account_id, name } = owner;
  const key = { account_id: "SHA256:x", name: "A key in ~/.ssh/authorized_keys", ways: ["ssh"] };
  expect(told).toEqual([[{ account_id, name, ways: ["ssh"] }, key]]);
  const people = [{ account_id, name, ways: ["browser", "ssh"] }, key];
  expect(await a.peer.request("hub.here", { project_id })).toEqual({ present: [{ project_id, people }] });
  expect(await b.peer.request("hub.here", { project_id: null })).toEqual({ present: [] });
  await host.tell([{ project_id, account_id: owner.account_id, by }]);
  await settle();
  expect(told.at(-1)).toEqual([{ account_id, name, ways: ["browser", "ssh"] }]);
  const count = told.length;
  await hostLink(otherId).tell([{ project_id, account_id: null, by: "project" }]);
  await settle();
  expect(told).toHaveLength(count);
  host.peer.close();
  await settle();
  expect(told.at(-1)).toEqual([{ account_id, name, ways: ["browser"] }]);
  for (const one of [a, b]) one.peer.close();
});
