import { afterAll, beforeAll, expect, test } from "bun:test";
import { connectFakeHost, type HubLab, openHubLab } from "../../../test/fixtures/hub-lab.ts";
import { signAssertion } from "../../contract/grants.ts";
import { fingerprint, generateKeyPair, type KeyPair } from "../../core/ssh-keys.ts";
import type { Caller } from "../accounts/caller.ts";
import { createTunnelTold } from "./tunnel-told.ts";

let lab: HubLab;
let admin: Caller;
beforeAll(async () => {
  lab = await openHubLab();
  admin = await lab.account("admin", "admin");
});
afterAll(() => lab.remove());

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "none",
    (error) => error.code as string,
  );
const selfHost = (name: string) => lab.host(name, 1e9, { kind: "self-host", self_host_mode: "local" });
async function offer(host_id: string, key: KeyPair, signer = key, from = "192.0.2.7") {
  const proof = await signAssertion(
    "offer-key",
    {},
    { key: signer.privateKey as never, hubId: lab.identity.hub_id, hostId: host_id },
  );
  return await lab.keyOffers.offer({ host_id, public_key: key.publicLine, proof }, from);
}

test("a changed key is taken only with the fingerprint of what was shown", async () => {
  const id = await selfHost("changed");
  const before = await lab.hosts.get(admin, id);
  const key = generateKeyPair();
  const shown = fingerprint(key.publicLine);
  expect(await codeOf(lab.hostService.acceptKey(admin, id, shown))).toBe("host.no-such-key-offered");
  expect(await offer(id, key)).toEqual({ state: "offered", known: before.key_fingerprint });
  const host = await lab.hosts.get(admin, id);
  expect(host.changed_key).toMatchObject({
    side: "host",
    known: before.key_fingerprint,
    shown,
    from: "192.0.2.7",
    acceptable: true,
  });
  expect([host.state, host.problem?.code]).toEqual(["offline", "host.key-changed"]);
  const other = fingerprint(generateKeyPair().publicLine);
  expect(await codeOf(lab.hostService.acceptKey(admin, id, other))).toBe("host.no-such-key-offered");
  const accepted = await lab.hostService.acceptKey(admin, id, shown);
  expect([accepted.key_fingerprint, accepted.changed_key, accepted.problem]).toEqual([shown, null, null]);
  expect(await offer(id, key)).toMatchObject({ state: "known" });
});

test("nobody offers a key that is not theirs, for a host that is there, revoked or unknown", async () => {
  const id = await selfHost("guarded");
  const key = generateKeyPair();
  expect(await codeOf(offer(id, key, generateKeyPair()))).toBe("host.proof-refused");
  expect(await codeOf(offer(crypto.randomUUID(), key))).toBe("host.unknown");
  const there = connectFakeHost(lab, id);
  expect(await codeOf(offer(id, key))).toBe("host.key-in-use");
  there.close();
  await lab.hostService.revoke(admin, id);
  expect(await codeOf(offer(id, key))).toBe("host.unknown");
  expect((await lab.hosts.get(admin, id)).changed_key).toBe(null);
});

test("the last key shown is the one to compare; the host's own return makes it void", async () => {
  const id = await selfHost("raced");
  const [first, second] = [generateKeyPair(), generateKeyPair()];
  await offer(id, first);
  await offer(id, second, second, "192.0.2.8");
  const stale = lab.hostService.acceptKey(admin, id, fingerprint(first.publicLine));
  expect(await codeOf(stale)).toBe("host.no-such-key-offered");
  await lab.keyOffers.settle(id);
  expect((await lab.hosts.get(admin, id)).changed_key).toBe(null);
});

test("the hub's changed key is passed on when it is the hub's, and never when it is a stranger's", async () => {
  const id = await selfHost("far");
  const host = connectFakeHost(lab, id);
  const told = createTunnelTold({ hosts: lab.hosts, hubKey: lab.identity.ssh_fingerprint });
  const known = fingerprint(generateKeyPair().publicLine);
  const problem = { code: "tunnel.host-key-changed", title: "t" };
  const meet = (shown: string) =>
    told.take(id, {
      name: "tunnel-up",
      state: "failed",
      problem,
      hub_key: { known, shown, address: "hub.example" },
    });
  const stranger = fingerprint(generateKeyPair().publicLine);
  expect((await meet(stranger)).problem?.title).toContain("not this hub's");
  expect(await codeOf(lab.hostService.acceptKey(admin, id, stranger))).toBe("host.not-our-key");
  expect(host.commands).toEqual([]);
  const own = lab.identity.ssh_fingerprint();
  expect((await meet(own)).problem?.command).toBe(`cocalc-hub host accept-key far ${own}`);
  await lab.hostService.acceptKey(admin, id, own);
  expect(host.commands).toEqual(["hub-key.trust"]);
  await told.take(id, { name: "tunnel-up", state: "done" });
  expect([(await lab.hosts.get(admin, id)).changed_key, told.of(id)]).toEqual([null, undefined]);
  host.close();
});
