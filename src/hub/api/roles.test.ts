/** Every route against every kind of caller, over the real app and a real database file. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { connectFakeHost, type HubLab, openHubLab, PASSWORD } from "../../../test/fixtures/hub-lab.ts";
import { generateKeyPair } from "../../core/ssh-keys.ts";
import { type Caller, LOCAL_ADMIN } from "../accounts/caller.ts";

const SSH_KEY = `${generateKeyPair().publicLine} ada@laptop`;
const KINDS = ["anonymous", "stranger", "viewer", "collaborator", "owner", "admin", "local"] as const;
type Kind = (typeof KINDS)[number];
/** Statuses in the order of KINDS. `:p` is the project, `:h` its host, `:x` what there is not. */
type Row = [method: string, path: string, statuses: string, body?: unknown];

// A stranger gets 404 for the project and never learns that it exists; an admin account needs membership.
const ROWS: Row[] = [
  ["GET", "/setup", "200 200 200 200 200 200 200"],
  ["GET", "/openapi.json", "200 200 200 200 200 200 200"],
  ["GET", "/me", "401 200 200 200 200 200 404"],
  ["PATCH", "/me", "401 200 200 200 200 200 404", { name: "Somebody" }],
  ["GET", "/me/api-keys", "401 200 200 200 200 200 200"],
  ["DELETE", "/me/api-keys/:x", "401 200 200 200 200 200 200"],
  ["GET", "/me/ssh-keys", "401 200 200 200 200 200 200"],
  ["POST", "/me/ssh-keys", "401 201 201 201 201 201 404", { key: SSH_KEY }],
  ["DELETE", "/me/ssh-keys/:x", "401 404 404 404 404 404 404"],
  ["GET", "/me/ssh-config", "401 200 200 200 200 200 200"],
  ["GET", "/projects/:p/ssh", "401 404 403 200 200 404 200"],
  ["GET", "/projects/:p/ssh-keys", "401 404 403 200 200 404 200"],
  ["POST", "/projects/:p/ssh-keys", "401 404 403 201 409 404 409", { key: SSH_KEY }],
  ["DELETE", "/projects/:p/ssh-keys/:x", "401 404 403 404 404 404 404"],
  ["GET", "/projects", "401 200 200 200 200 200 200"],
  ["GET", "/projects/:p", "401 404 200 200 200 404 200"],
  ["PATCH", "/projects/:p", "401 404 403 403 200 404 200", { description: "d" }],
  ["GET", "/projects/:p/usage", "401 404 403 200 200 404 200"],
  ["GET", "/projects/:p/logs", "401 404 403 200 200 404 200"],
  ["GET", "/projects/:p/apps-policy", "401 404 403 200 200 404 200"],
  ["PUT", "/projects/:p/shared-origin", "401 404 403 200 200 404 200", { accept: true }],
  ["GET", "/projects/:p/links", "401 404 403 200 200 404 200"],
  // Off unless the admin allows them.
  ["POST", "/projects/:p/links", "401 404 403 403 403 404 403", { path: "/apps/site" }],
  ["DELETE", "/projects/:p/links/:x", "401 404 403 404 404 404 404"],
  ["POST", "/projects/:p/start", "401 404 403 202 202 404 202"],
  ["POST", "/projects/:p/stop", "401 404 403 202 202 404 202"],
  ["POST", "/projects/:p/restart", "401 404 403 202 202 404 202"],
  ["GET", "/projects/:p/people", "401 404 200 200 200 404 200"],
  [
    "POST",
    "/projects/:p/people",
    "401 404 403 403 201 404 201",
    { who: "viewer@example.org", role: "viewer" },
  ],
  ["PATCH", "/projects/:p/people/:x", "401 404 403 403 404 404 404", { role: "viewer" }],
  ["DELETE", "/projects/:p/people/:x", "401 404 403 403 404 404 404"],
  ["POST", "/projects/:p/owner", "401 404 403 403 404 404 404", { account_id: "nobody" }],
  ["GET", "/projects/:p/shares", "401 404 200 200 200 404 200"],
  ["PUT", "/projects/:p/shares", "401 404 403 403 200 404 200", { paths: ["."], ports: [8000] }],
  ["GET", "/projects/:p/invitations", "401 404 403 403 200 404 200"],
  ["POST", "/projects/:p/invitations", "401 404 403 403 201 404 201", { role: "viewer" }],
  ["DELETE", "/projects/:p/invitations/:x", "401 404 403 403 404 404 404"],
  ["POST", "/project-invitations/look", "410 410 410 410 410 410 410", { token: "no such token" }],
  ["POST", "/project-invitations/accept", "401 410 410 410 410 410 410", { token: "no such token" }],
  ["GET", "/projects/:p/snapshots", "401 404 200 200 200 404 200"],
  ["POST", "/projects/:p/snapshots", "401 404 403 201 201 404 201", {}],
  ["DELETE", "/projects/:p/snapshots/2026-11-25T01:02:03Z", "401 404 403 403 200 404 200"],
  ["GET", "/projects/:p/snapshots/2026-11-25T01:02:03Z/files?path=a", "401 404 403 200 200 404 200"],
  ["GET", "/projects/:p/snapshots/2026-11-25T01:02:03Z/changes?path=a", "401 404 403 200 200 404 200"],
  [
    "POST",
    "/projects/:p/snapshots/2026-11-25T01:02:03Z/restore",
    "401 404 403 200 200 404 200",
    { paths: ["a"] },
  ],
  [
    "POST",
    "/projects/:p/snapshots/2026-11-25T01:02:03Z/restore",
    "401 404 403 403 200 404 200",
    { paths: null },
  ],
  ["DELETE", "/projects/:x", "401 404 404 404 404 404 404"],
  ["GET", "/hosts", "401 403 403 403 403 200 200"],
  ["GET", "/hosts/:h", "401 403 403 403 403 200 200"],
  ["GET", "/hosts/:h/ssh", "401 403 403 403 403 200 200"],
  ["GET", "/hosts/:x/ssh", "401 403 403 403 403 404 404"],
  ["PATCH", "/hosts/:h", "401 403 403 403 403 200 200", { name: "renamed" }],
  ["GET", "/hosts/:h/found", "401 403 403 403 403 200 200"],
  ["POST", "/hosts/:h/found/:x/adopt", "401 403 403 403 403 404 404", {}],
  ["POST", "/hosts/:h/found/:x/wipe", "401 403 403 403 403 404 404", { name: "thesis" }],
  ["GET", "/tombstones", "401 403 403 403 403 200 200"],
  ["GET", "/hosts/:h/leaving", "401 403 403 403 403 409 409"],
  ["POST", "/hosts/:h/deprovision", "401 403 403 403 403 409 409", {}],
  ["POST", "/hosts/:h/forget", "401 403 403 403 403 409 409", {}],
  ["POST", "/hosts/:h/drain", "401 403 403 403 403 202 202", { draining: false }],
  ["GET", "/hosts/:h/commands", "401 403 403 403 403 200 200"],
  ["POST", "/hosts/:x/upgrade", "401 403 403 403 403 404 404", {}],
  ["POST", "/hosts/:x/rollback", "401 403 403 403 403 404 404"],
  ["POST", "/hosts/:h/commands/:x/cancel", "401 403 403 403 403 404 404"],
  ["GET", "/hosts/:h/vms", "401 403 403 403 403 200 200"],
  ["POST", "/hosts/:x/vms", "401 403 403 403 403 404 404", { name: "lab" }],
  ["POST", "/hosts/:x/vms/:x/start", "401 403 403 403 403 404 404"],
  ["POST", "/hosts/:x/vms/:x/stop", "401 403 403 403 403 404 404"],
  ["PATCH", "/hosts/:x/vms/:x", "401 403 403 403 403 404 404", { cpus: 2 }],
  ["DELETE", "/hosts/:x/vms/:x", "401 403 403 403 403 404 404"],
  ["POST", "/hosts/:x/revoke", "401 403 403 403 403 404 404"],
  ["POST", "/hosts/:h/accept-key", "401 403 403 403 403 409 409", { fingerprint: "SHA256:x" }],
  ["POST", "/hosts/:h/grant", "401 404 200 200 200 200 200"],
  ["GET", "/join-tokens", "401 403 403 403 403 200 200"],
  ["POST", "/join-tokens", "401 403 403 403 403 201 201"],
  ["DELETE", "/join-tokens/:x", "401 403 403 403 403 404 404"],
  ["GET", "/machines", "401 403 403 403 403 200 200"],
  ["POST", "/machines/look", "401 403 403 403 403 422 422", { target: "nobody" }],
  ["POST", "/machines", "401 403 403 403 403 422 422", { target: "nobody", fingerprint: "SHA256:x" }],
  ["DELETE", "/machines/:x", "401 403 403 403 403 404 404"],
  ["GET", "/users", "401 403 403 403 403 200 200"],
  [
    "POST",
    "/users",
    "401 403 403 403 403 409 409",
    { name: "S", email: "owner@example.org", password: PASSWORD },
  ],
  ["PATCH", "/users/:x", "401 403 403 403 403 404 404", { role: "admin" }],
  ["POST", "/invitations", "401 403 403 403 403 201 201", {}],
  ["GET", "/settings", "401 403 403 403 403 200 200"],
  ["PUT", "/settings", "401 403 403 403 403 200 200", { hub_name: "Ours" }],
  ["GET", "/operations", "401 200 200 200 200 200 200"],
  ["GET", "/operations/:o", "401 404 200 200 200 200 200"],
  ["POST", "/operations/:o/cancel", "401 404 403 200 200 200 200"],
  ["GET", "/doctor", "401 403 403 403 403 200 200"],
  ["POST", "/doctor", "401 403 403 403 403 200 200"],
  ["GET", "/audit", "401 403 403 403 403 200 200"],
  ["GET", "/metrics", "401 403 403 403 403 200 200"],
  ["GET", "/images", "401 200 200 200 200 200 200"],
  ["POST", "/images/prune", "401 403 403 403 403 200 200"],
  ["DELETE", "/images/:x", "401 403 403 403 403 404 404"],
  ["GET", "/local/ready", "401 404 404 404 404 404 200"],
  ["GET", "/local/setup-urls", "401 404 404 404 404 404 200"],
  ["GET", "/local/host", "401 404 404 404 404 404 200"],
  ["POST", "/local/join-token", "401 404 404 404 404 404 201", { kind: "local" }],
  [
    "POST",
    "/local/pair-handshake",
    "401 404 404 404 404 404 403",
    {
      token_id: "2d9f1f3e-54a8-4a0e-9d8c-8d6f8f6b1b11",
      from: "192.0.2.7",
      request: {
        token_id: "2d9f1f3e-54a8-4a0e-9d8c-8d6f8f6b1b11",
        public_key: `ssh-ed25519 ${Buffer.concat([Buffer.from([0, 0, 0, 11]), Buffer.from("ssh-ed25519"), Buffer.from([0, 0, 0, 32]), Buffer.alloc(32, 9)]).toString("base64")}`,
        name: "x",
        facts: {},
        version: "0",
      },
    },
  ],
  ["GET", "/projects/:p/backups", "401 404 200 200 200 404 200"],
  ["POST", "/projects/:p/backups", "401 404 403 202 202 404 202"],
  ["GET", "/projects/:p/backups/:x/files", "401 404 404 404 404 404 404"],
  ["GET", "/projects/:p/backups/:x/file?path=a", "401 404 404 404 404 404 404"],
  ["POST", "/projects/:p/backups/:x/restore", "401 404 403 403 404 404 404", { what: "project" }],
  ["GET", "/backups", "401 403 403 403 403 200 200"],
  ["POST", "/backups/due", "401 403 403 403 403 200 200"],
  ["POST", "/backups/drill", "401 403 403 403 403 409 409", {}],
  ["POST", "/backups/verify", "401 403 403 403 403 202 202"],
  ["POST", "/backups/prune", "401 403 403 403 403 202 202"],
  ["POST", "/backups/take-over", "401 403 403 403 403 200 200"],
  ["GET", "/backups/recovery-sheet", "401 403 403 403 403 200 200"],
  ["POST", "/backups/hub", "401 403 403 403 403 409 409"],
  ["POST", "/projects/:p/move", "401 404 403 403 422 404 422", { host_id: "nowhere" }],
  ["POST", "/projects/:p/clone", "401 404 403 422 422 404 422", { name: "twin", host_id: "nowhere" }],
  ["POST", "/projects/:x/archive", "401 404 404 404 404 404 404"],
  ["POST", "/projects/:p/unarchive", "401 404 403 403 422 404 422", { host_id: "nowhere" }],
  ["POST", "/projects/:p/copy", "401 404 403 404 404 404 404", { from: "nowhere", paths: ["a"] }],
  ["PUT", "/backups/target", "401 403 403 403 403 200 200", { kind: "local" }],
  ["GET", "/nothing", "404 404 404 404 404 404 404"],
];

let lab: HubLab;
let host: ReturnType<typeof connectFakeHost>;
const callers = {} as Record<Kind, Caller | null>;
const ids: Record<string, string> = { ":x": "9b2c1c1e-54a8-4a0e-9d8c-8d6f8f6b1b99" };

beforeAll(async () => {
  lab = await openHubLab();
  callers.anonymous = null;
  callers.local = LOCAL_ADMIN;
  callers.admin = await lab.account("admin", "admin");
  for (const kind of ["stranger", "viewer", "collaborator", "owner"] as const) {
    callers[kind] = await lab.account(kind);
  }
  const hostId = await lab.host("box");
  host = connectFakeHost(lab, hostId);
  const made = await lab.call(callers.owner, "POST", "/api/projects", { name: "thesis" });
  const id = made.json.project_id as string;
  await lab.member(id, callers.viewer as Caller, "viewer");
  await lab.member(id, callers.collaborator as Caller, "collaborator");
  const operation = await lab.call(callers.owner, "POST", `/api/projects/${id}/start`);
  Object.assign(ids, { ":p": id, ":h": hostId, ":o": operation.json.operation_id });
});
afterAll(async () => {
  host.close();
  await lab.remove();
});

for (const [method, path, statuses, body] of ROWS) {
  test(`${method} ${path}`, async () => {
    const url = `/api${path.replace(/:[phxo]$|:[phxo](?=\/)/g, (name) => ids[name] ?? name)}`;
    const got: number[] = [];
    for (const kind of KINDS) {
      const answer = await lab.call(callers[kind], method, url, body);
      got.push(answer.status);
      if (answer.status >= 400) {
        expect(answer.type).toBe("application/problem+json");
        expect(answer.json.code).toMatch(/^[a-z-]+\.[a-z-]+$/);
        expect(answer.json.title).not.toBe("");
      }
    }
    expect(got.join(" ")).toBe(statuses);
  });
}

test("each caller's list holds what it may see, with its role", async () => {
  const seen = async (kind: Kind) =>
    ((await lab.call(callers[kind], "GET", "/api/projects")).json as { role: string }[]).map(
      (one) => one.role,
    );
  expect(await seen("stranger")).toEqual([]);
  expect(await seen("admin")).toEqual([]);
  expect(await seen("viewer")).toEqual(["viewer"]);
  expect(await seen("owner")).toEqual(["owner"]);
  const operations = await lab.call(callers.stranger, "GET", "/api/operations");
  expect(operations.json).toEqual([]);
});

test("a stranger is told of a project exactly what it is told of none", async () => {
  const there = await lab.call(callers.stranger, "GET", `/api/projects/${ids[":p"]}`);
  const none = await lab.call(callers.stranger, "GET", `/api/projects/${ids[":x"]}`);
  const blank = (json: object, id: string) => JSON.stringify(json).replaceAll(id, "ID");
  expect(blank(there.json, ids[":p"] ?? "")).toBe(blank(none.json, ids[":x"] ?? ""));
});

test("the description of the API has every route of the table", async () => {
  const { json } = await lab.call(null, "GET", "/api/openapi.json");
  const paths = Object.fromEntries(
    Object.entries(json.paths as Record<string, Record<string, unknown>>).map(([path, methods]) => [
      path.replaceAll(/\{\w+\}/g, "{id}"),
      methods,
    ]),
  );
  for (const [method, path] of ROWS) {
    if (path === "/nothing" || path === "/openapi.json") continue;
    const named = path.replace(/2026-[^/?]+/, "{id}").replace(/\?.*/, "");
    const name = `/api${named.replaceAll(/:[phxo](?=\/|$)/g, "{id}")}`;
    expect([name, Object.keys(paths[name] ?? {})]).toEqual([
      name,
      expect.arrayContaining([method.toLowerCase()]) as never,
    ]);
  }
});

test("what is not valid names the field; what is no JSON is said to be none", async () => {
  const bad = await lab.call(callers.owner, "POST", "/api/projects", { name: "", limits: { cpus: 0 } });
  expect(bad.status).toBe(422);
  expect((bad.json.errors as { path: string }[]).map((one) => one.path)).toEqual(["name", "limits.cpus"]);
  const broken = await lab.call(callers.owner, "POST", "/api/projects", '{"name":');
  expect([broken.status, broken.json.code]).toEqual([400, "request.malformed"]);
  const setting = await lab.call(callers.admin, "PUT", "/api/settings", { hub_nam: "x", lan: "open" });
  expect(setting.json.errors[0].message).toContain("did you mean hub_name");
  expect(await lab.settings.lan()).toBe("blocked");
});
