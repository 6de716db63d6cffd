import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { type HubLab, openHubLab, PASSWORD } from "../../../test/fixtures/hub-lab.ts";
import { CodedError } from "../../core/errors.ts";
import type { Caller } from "../accounts/caller.ts";
import { createPeople, type People } from "./people.ts";

let lab: HubLab;
let people: People;
let owner: Caller;
let ben: Caller;
let cleo: Caller;
let id: string;
beforeAll(async () => {
  lab = await openHubLab();
  people = createPeople(lab);
  owner = await lab.account("owner");
  ben = await lab.account("ben");
  cleo = await lab.account("cleo");
});
beforeEach(async () => {
  const host = await lab.host(`h${Math.random()}`);
  id = (await lab.projectService.create(owner, { name: "thesis", host_id: host })).project_id;
});
afterAll(() => lab.remove());

const code = (work: Promise<unknown>) =>
  work.then(
    () => "done",
    (error: unknown) => (error instanceof CodedError ? error.code : String(error)),
  );
const roles = async () =>
  Object.fromEntries((await people.list(owner, id)).map((one) => [one.name, one.role]));

test("added by address or name, changed, removed, left; the owner is not to be removed", async () => {
  await people.add(owner, id, ben.email.toUpperCase(), "viewer");
  await people.add(owner, id, cleo.name, "collaborator");
  expect(await roles()).toEqual({ owner: "owner", ben: "viewer", cleo: "collaborator" });
  await people.setRole(owner, id, ben.account_id, "collaborator");
  expect((await roles()).ben).toBe("collaborator");
  expect(await code(people.setRole(owner, id, owner.account_id, "viewer"))).toBe("people.is-owner");
  expect(await code(people.remove(owner, id, owner.account_id))).toBe("people.is-owner");
  expect(await code(people.remove(cleo, id, ben.account_id))).toBe("project.role");
  await people.remove(cleo, id, cleo.account_id);
  await people.remove(owner, id, ben.account_id);
  expect(await roles()).toEqual({ owner: "owner" });
  expect(await code(people.list(ben, id))).toBe("project.not-found");
  expect(await code(people.add(owner, id, "nobody@example.org", "viewer"))).toBe("people.no-account");
});

test("a viewer is told no addresses", async () => {
  await people.add(owner, id, ben.email, "viewer");
  expect((await people.list(ben, id)).map((one) => one.email)).toEqual([null, null]);
  expect((await people.list(owner, id)).every((one) => one.email !== null)).toBe(true);
});

test("a project has one owner, before and after it is given away", async () => {
  expect(await code(people.transfer(owner, id, ben.account_id))).toBe("person.not-found");
  await people.add(owner, id, ben.email, "viewer");
  await people.transfer(owner, id, ben.account_id);
  expect(await roles()).toEqual({ owner: "collaborator", ben: "owner" });
  expect(await code(people.transfer(owner, id, owner.account_id))).toBe("project.role");
});

test("a link lets in one person, and makes no account once it was used", async () => {
  const { secret, invitation_id } = await people.invite(owner, id, "viewer");
  expect(await people.look(secret)).toEqual({
    project_name: "thesis",
    role: "viewer",
    invited_by: "owner",
    makes_account: true,
  });
  expect(await people.accept(ben, secret)).toBe(id);
  expect(await code(people.accept(cleo, secret))).toBe("invitation.invalid");
  const late = await lab.call(null, "POST", "/api/invitations/accept", {
    token: secret,
    name: "Dora",
    email: "dora@example.org",
    password: PASSWORD,
  });
  expect([late.status, late.json.code]).toEqual([410, "invitation.invalid"]);
  expect((await people.invitations(owner, id)).map((one) => one.invitation_id)).not.toContain(invitation_id);
});

test("whoever is new makes an account with the link, and joins", async () => {
  const { secret } = await people.invite(owner, id, "collaborator");
  const made = await lab.call(null, "POST", "/api/invitations/accept", {
    token: secret,
    name: "Emil",
    email: `emil${Math.random()}@example.org`,
    password: PASSWORD,
  });
  expect([made.status, made.json.role]).toEqual([201, "user"]);
  const emil = { ...ben, account_id: made.json.account_id as string, name: "Emil" };
  expect(await people.accept(emil, secret)).toBe(id);
  expect((await roles()).Emil).toBe("collaborator");
});

test("a link that was taken back is void; where only members may come it makes no account", async () => {
  const first = await people.invite(owner, id, "viewer");
  await people.revokeInvitation(owner, id, first.invitation_id);
  expect(await code(people.accept(ben, first.secret))).toBe("invitation.invalid");
  const admin = await lab.account(`admin${Math.random()}`, "admin");
  await lab.settings.set(admin, { project_links: "members" });
  const second = await people.invite(owner, id, "viewer");
  await lab.settings.set(admin, { project_links: "anyone" });
  expect((await people.look(second.secret)).makes_account).toBe(false);
});

test("what viewers see goes into their grant, and into nobody else's", async () => {
  const project = await lab.projects.get(owner, id);
  await people.add(owner, id, ben.email, "viewer");
  await people.setShares(owner, id, {
    paths: ["course/", "course"],
    ports: [8000],
    apps: ["jupyterlab", "jupyterlab"],
  });
  const rights = async (caller: Caller) =>
    (await lab.projects.onHost(caller, project.host_id ?? "")).find((one) => one.project_id === id);
  expect(await rights(ben)).toEqual({ project_id: id, role: "viewer", paths: ["course"] });
  expect(await rights(owner)).toEqual({ project_id: id, role: "owner" });
  expect(await code(people.setShares(ben, id, { paths: ["."], ports: [], apps: [] }))).toBe("project.role");
  expect(await code(people.setShares(owner, id, { paths: ["a/../.."], ports: [], apps: [] }))).not.toBe(
    "done",
  );
});
