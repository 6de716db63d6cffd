import { expect, test } from "bun:test";
import { generateKeyPairSync } from "node:crypto";
import { exportJWK } from "jose";
import { Peer } from "../conat/peer.ts";
import { Router } from "../conat/router.ts";
import { memoryTransports } from "../conat/transport-stream.ts";
import { type ProjectRight, signGrant } from "../contract/grants.ts";
import { CodedError } from "../core/errors.ts";
import { newId } from "../core/ids.ts";
import { createSessions } from "./sessions.ts";
import type { HostState } from "./state.ts";
import { serveViewers } from "./viewers.ts";

const code = (work: Promise<unknown>) =>
  work.then(
    () => "done",
    (error: unknown) => (error instanceof CodedError ? error.code : String(error)),
  );

async function lab() {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const [host_id, hub_id, id] = [newId(), newId(), newId()];
  const state = {
    host_id,
    hub_id,
    hub_public_key: await exportJWK(publicKey as never),
  } as unknown as HostState;
  const router = new Router<unknown>();
  serveViewers(router);
  const sessions = createSessions(router, state);
  const asked: { subject: string; data: unknown }[] = [];
  // The agent's side: says what it was asked.
  const [agentNear, agentFar] = memoryTransports();
  router.attach(new Peer(agentNear, { heartbeat: false }), {
    allow: [],
    serve: [`project.${id}.>`],
    data: { agent: id },
  });
  const agent = new Router();
  agent.attach(new Peer(agentFar, { heartbeat: false }), {
    allow: [`project.${id}.>`],
    serve: [],
    data: null,
  });
  agent.handle(`project.${id}.>`, (subject, data) => {
    asked.push({ subject, data });
    return {};
  });
  const now = Math.floor(Date.now() / 1000);
  const sign = (projects: ProjectRight[], at: number) =>
    signGrant(
      { kind: "conat", sub: "ben", name: "Ben", projects },
      { key: privateKey as never, hubId: hub_id, hostId: host_id, seconds: 600, now: at },
    );
  const open = (projects: ProjectRight[], at: number) => {
    const [near, far] = memoryTransports();
    sessions(new Peer(near, { heartbeat: false }), {
      grant: { kind: "conat", sub: "ben", name: "Ben", projects },
      expires_at: at + 600,
    });
    return new Peer(far, { heartbeat: false });
  };
  return { id, asked, now, sign, open };
}

test("a viewer reads what its grant marks, whatever it says itself, and does nothing else", async () => {
  const { id, asked, now, open } = await lab();
  const peer = open([{ project_id: id, role: "viewer", paths: ["course"] }], now);
  await peer.request(`project.${id}.view.list`, { path: ".", roots: ["/"] });
  expect(asked).toEqual([{ subject: `project.${id}.shared.list`, data: { path: ".", roots: ["course"] } }]);
  for (const verb of ["terminal.create", "files.list", "files.remove", "shared.list", "activity", "exec"])
    expect([verb, await code(peer.request(`project.${id}.${verb}`, { path: ".", roots: ["."] }))]).toEqual([
      verb,
      "conat.forbidden",
    ]);
  expect(await code(peer.request(`project.${id}.view.remove`, { path: "." }))).toBe("view.refused");
  expect(await code(peer.request(`project.${newId()}.view.list`, { path: "." }))).toBe("conat.forbidden");
  expect(asked).toHaveLength(1);
});

test("a collaborator is no viewer, and reads by its own right", async () => {
  const { id, asked, now, open } = await lab();
  const peer = open([{ project_id: id, role: "collaborator" }], now);
  expect(await code(peer.request(`project.${id}.view.list`, { path: "." }))).toBe("view.not-a-viewer");
  await peer.request(`project.${id}.files.list`, { path: "." });
  expect(asked.map((one) => one.subject)).toEqual([`project.${id}.files.list`]);
});

test("an older grant, kept from before a removal, brings nothing back", async () => {
  const { id, now, sign, open } = await lab();
  const before = await sign([{ project_id: id, role: "collaborator" }], now - 30);
  const peer = open([], now);
  expect(await code(peer.request("grant.renew", { grant: before }))).toBe("grant.outdated");
  expect(await code(peer.request(`project.${id}.files.list`, { path: "." }))).toBe("conat.forbidden");
  const after = await sign([{ project_id: id, role: "collaborator" }], now + 1);
  await peer.request("grant.renew", { grant: after });
  expect(await code(peer.request(`project.${id}.files.list`, { path: "." }))).toBe("done");
});
