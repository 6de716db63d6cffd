import { afterAll, beforeAll, expect, test } from "bun:test";
import { SignJWT } from "jose";
import { connectFakeHost, fakeReport, type HubLab, openHubLab } from "../../../test/fixtures/hub-lab.ts";
import type { Host } from "../../contract/api.ts";
import { decodeJoinToken, pairingKeyInfo } from "../../contract/join-token.ts";
import { deriveKeyPair, generateKeyPair } from "../../core/ssh-keys.ts";
import { type Caller, LOCAL_ADMIN } from "../accounts/caller.ts";
import { place } from "../projects/service.ts";
import { NO_TUNNEL, nextTunnelState } from "./tunnel-state.ts";

let lab: HubLab;
let admin: Caller;
beforeAll(async () => {
  lab = await openHubLab();
  admin = await lab.account("admin", "admin");
});
afterAll(() => lab.remove());

/** What a machine sends, given the token a person pasted. */
async function pairRequest(
  text: string,
  key = generateKeyPair(),
  signer?: ReturnType<typeof generateKeyPair>,
) {
  const token = decodeJoinToken(text);
  const pairing = signer ?? deriveKeyPair(Buffer.from(token.secret, "base64url"), pairingKeyInfo);
  const proof = await new SignJWT({ token_id: token.token_id, public_key: key.publicLine })
    .setProtectedHeader({ alg: "EdDSA" })
    .sign(pairing.privateKey as never);
  return {
    token_id: token.token_id,
    public_key: key.publicLine,
    proof,
    name: "box",
    facts: {},
    version: "0",
  };
}
const newToken = async () => (await lab.hostService.createToken(admin)).token;
const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "none",
    (error) => error.code as string,
  );

test("a token is for the first key that comes with it, which may come again", async () => {
  const token = await newToken();
  const request = await pairRequest(token);
  const first = await lab.pairing.pair(request, "https", "192.0.2.7");
  const again = await lab.pairing.pair(request, "https", "192.0.2.7");
  expect(again.host_id).toBe(first.host_id);
  expect(again.ports).toEqual(first.ports);
  expect(await codeOf(lab.pairing.pair(await pairRequest(token), "https", "192.0.2.7"))).toBe(
    "join.token-used",
  );
  const host = await lab.hosts.get(admin, first.host_id);
  expect(host.state).toBe("bootstrapping");
  expect(host.checklist.map((step) => [step.name, step.state])).toEqual([
    ["token-accepted", "done"],
    ["key-registered", "done"],
    ["tunnel-up", "pending"],
    ["echo", "pending"],
    ["storage-ready", "pending"],
  ]);
});

test("a proof by another key, for another key, or none, is refused; so are spent tokens", async () => {
  const token = await newToken();
  const pair = (request: Awaited<ReturnType<typeof pairRequest>>) =>
    codeOf(lab.pairing.pair(request, "https", "192.0.2.7"));
  expect(await pair(await pairRequest(token, generateKeyPair(), generateKeyPair()))).toBe(
    "join.proof-refused",
  );
  const swapped = { ...(await pairRequest(token)), public_key: generateKeyPair().publicLine };
  expect(await pair(swapped)).toBe("join.proof-refused");
  const { proof: _, ...bare } = await pairRequest(token);
  expect(await codeOf(lab.pairing.pair(bare, "https", "192.0.2.7"))).toBe("join.proof-refused");
  const { token_id } = decodeJoinToken(token);
  await lab.hostService.revokeToken(admin, token_id);
  expect(await pair(await pairRequest(token))).toBe("join.token-revoked");
  const old = await newToken();
  await lab.db
    .updateTable("join_tokens")
    .set({ expires_at: "2020-01-01T00:00:00.000Z" })
    .where("token_id", "=", decodeJoinToken(old).token_id)
    .execute();
  expect(await pair(await pairRequest(old))).toBe("join.token-expired");
  expect((await lab.tokens.live()).map((one) => one.token_id)).not.toContain(token_id);
});

test("the hub keeps the public half of a token alone", async () => {
  const token = await newToken();
  const { secret } = decodeJoinToken(token);
  const stored = JSON.stringify(await lab.db.selectFrom("join_tokens").selectAll().execute());
  expect(stored).not.toContain(secret);
  const made = await lab.hostService.createToken(admin);
  expect(made.line).toContain(`--pinnedpubkey 'sha256//`);
  expect(made.line).not.toMatch(/\| *sh\b(?! "\$f")/);
});

test("machines that join at once get ports and names of their own", async () => {
  const requests = await Promise.all(Array.from({ length: 8 }, async () => pairRequest(await newToken())));
  const paired = await Promise.all(
    requests.map((request) => lab.pairing.pair(request, "https", "192.0.2.7")),
  );
  for (const pick of [(p: (typeof paired)[0]) => p.ports.http, (p: (typeof paired)[0]) => p.ports.ssh]) {
    expect(new Set(paired.map(pick)).size).toBe(8);
  }
  expect(new Set(paired.map((one) => one.name)).size).toBe(8);
});

test("a revoked key gets no tunnel, its session ends, and it cannot join again", async () => {
  const key = generateKeyPair();
  const paired = await lab.pairing.pair(await pairRequest(await newToken(), key), "https", "192.0.2.7");
  const host = connectFakeHost(lab, paired.host_id);
  expect((await lab.hosts.tunnelKeys()).map((one) => one.host_id)).toContain(paired.host_id);
  await lab.hostService.revoke(admin, paired.host_id);
  expect((await lab.hosts.tunnelKeys()).map((one) => one.host_id)).not.toContain(paired.host_id);
  expect(lab.ended).toContain(paired.host_id);
  expect(lab.links.isConnected(paired.host_id)).toBe(false);
  const again = lab.pairing.pair(await pairRequest(await newToken(), key), "https", "192.0.2.7");
  expect(await codeOf(again)).toBe("host.key-revoked");
  host.close();
});

test("states follow the table; what is gone stays gone", async () => {
  const id = await lab.host("states");
  expect(await lab.hosts.setState(id, "pairing")).toBe(false);
  expect(await lab.hosts.setState(id, "degraded", { code: "x.y", title: "t" })).toBe(true);
  expect((await lab.hosts.get(admin, id)).problem?.code).toBe("x.y");
  expect(await lab.hosts.setState(id, "gone")).toBe(true);
  expect(await lab.hosts.setState(id, "ready")).toBe(false);
  expect(await codeOf(lab.hosts.get(admin, id))).toBe("host.not-found");
});

test("a host speaks for itself alone, and what it says is judged", async () => {
  const [mine, other] = [await lab.host("mine"), await lab.host("other")];
  const host = connectFakeHost(lab, mine);
  await host.tell("report", { ...fakeReport("mine", 5e9), uptime_ms: 42 });
  expect((await lab.hosts.get(admin, mine)).report?.uptime_ms).toBe(42);
  expect(await codeOf(host.tellAs(other, "report", fakeReport("forged", 1)))).toBe("conat.forbidden");
  expect(await codeOf(host.tell("report", { version: "1" }))).not.toBe("none");
  const owner = await lab.account("owner");
  const project = await lab.projectService.create(owner, { name: "on the other", host_id: other });
  await host.tell("project-status", host.status(project.project_id, "failed"));
  expect((await lab.projects.get(owner, project.project_id)).state).toBe("stopped");
  host.close();
});

test("a link that comes again replaces the one before", async () => {
  const id = await lab.host("twice");
  const first = connectFakeHost(lab, id);
  const second = connectFakeHost(lab, id);
  await Bun.sleep(5);
  expect(lab.links.isConnected(id)).toBe(true);
  await lab.links.request(id, "project.logs", { project_id: crypto.randomUUID() });
  expect([first.commands, second.commands]).toEqual([[], ["project.logs"]]);
  second.close();
  await Bun.sleep(5);
  expect(lab.links.isConnected(id)).toBe(false);
  const request = lab.links.request(id, "project.logs", { project_id: crypto.randomUUID() });
  expect(await codeOf(request)).toBe("host.away");
});

test("a project is placed where most memory is left, and only where a host is ready", async () => {
  const hosts = (await lab.hosts.list(LOCAL_ADMIN)).slice(0, 2) as [Host, Host];
  const [a, b] = hosts.map((host) => ({ ...host, state: "ready" as const })) as [Host, Host];
  const small = { ...a, report: fakeReport("a", 1e9) };
  const large = { ...b, report: fakeReport("b", 9e9) };
  expect(place([small, large], false).host_id).toBe(large.host_id);
  expect(place([small, { ...large, state: "offline" }], false).host_id).toBe(small.host_id);
  expect(() => place([{ ...large, state: "degraded" }], false)).toThrow("No host is ready");
  expect(() => place([], false)).toThrow("No host is ready");
});

test("a host without containers takes a project only when that was allowed", async () => {
  const id = await lab.host("plain");
  const report = fakeReport("plain", 99e9);
  await lab.hosts.setReport(id, {
    ...report,
    runtime: { ...report.runtime, kind: "process", helper: false },
  });
  await lab.hosts.setState(id, "ready");
  const [host] = (await lab.hosts.list(LOCAL_ADMIN)).filter((one) => one.host_id === id) as [Host];
  expect(() => place([host], false)).toThrow("No host is ready");
  expect(place([host], true).host_id).toBe(id);
  const owner = await lab.account("plain-owner");
  const create = () => lab.projectService.create(owner, { name: "open", host_id: id });
  expect(await codeOf(create())).toBe("project.no-isolation");
  await lab.settings.set(LOCAL_ADMIN, { dangerous_process_runtime: "allowed" });
  const project = await create();
  expect(project.isolated).toBe(false);
  await lab.settings.set(LOCAL_ADMIN, { dangerous_process_runtime: "refused" });
  expect(await codeOf(lab.projectService.act(owner, project.project_id, "start"))).toBe(
    "project.no-isolation",
  );
});

test("one lost echo is no outage, several are; the history has a value a minute", () => {
  const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, seconds));
  let state = NO_TUNNEL;
  const miss = (inARow: number, s: number) => {
    state = nextTunnelState(state, null, at(s), { inARow, allowed: 2 });
  };
  miss(1, 0);
  expect(state.state).toBe("never");
  state = nextTunnelState(state, 4, at(5), { inARow: 0, allowed: 2 });
  expect([state.state, state.rtt_ms]).toEqual(["up", 4]);
  miss(1, 10);
  miss(2, 15);
  expect(state.state).toBe("up");
  miss(3, 20);
  expect([state.state, state.rtt_ms]).toEqual(["down", null]);
  for (let minute = 1; minute < 70; minute++) {
    state = nextTunnelState(state, minute, at(minute * 60), { inARow: 0, allowed: 2 });
  }
  expect(state.history_ms).toHaveLength(60);
  expect(state.history_ms.at(-1)).toBe(69);
});
