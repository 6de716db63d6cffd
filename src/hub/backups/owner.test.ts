/** Two hubs and one repository, over a real directory. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type HubLab, openHubLab } from "../../../test/fixtures/hub-lab.ts";
import { hubPaths } from "../../core/paths.ts";
import type { HubCore } from "../core.ts";
import { createLeases } from "../db/leases.ts";
import { createOwners, isOurs, OWNER } from "./owner.ts";
import type { OpenRepository } from "./repositories.ts";

let lab: HubLab;
let root: string;
let one: OpenRepository;
beforeEach(async () => {
  lab = await openHubLab();
  root = mkdtempSync(join(tmpdir(), "owner-"));
  mkdirSync(join(root, "repo"));
  one = {
    repository_id: "shared",
    location: join(root, "repo"),
    where: { kind: "local" },
  } as unknown as OpenRepository;
});
afterEach(async () => {
  await lab.remove();
  rmSync(root, { recursive: true, force: true });
});

const hub = (name: string) => {
  const paths = hubPaths(join(root, name));
  mkdirSync(paths.dir, { recursive: true });
  return { dir: paths.dir, ...createOwners({ paths, leases: createLeases(lab.db) } as unknown as HubCore) };
};
const refused = (work: Promise<void>) => expect(work).rejects.toMatchObject({ code: "backup.other-hub" });

test("the word that is being written counts as one's own, another's does not", () => {
  expect(isOurs({ word: "a" }, { word: "a", next: "b" })).toBe(true);
  expect(isOurs({ word: "b" }, { word: "a", next: "b" })).toBe(true);
  expect(isOurs({ word: "c" }, { word: "a", next: "b" })).toBe(false);
  expect(isOurs({ word: "" }, { word: null, next: null })).toBe(false);
  expect(isOurs({ word: "a" }, undefined)).toBe(false);
});

test("a hub keeps what has no mark yet; another that comes is refused, until it takes the repository over", async () => {
  const [first, second] = [hub("first"), hub("second")];
  await first.assert(one);
  await first.renew(one);
  expect(statSync(join(one.location, OWNER)).mode & 0o777).toBe(0o444);
  await refused(second.assert(one));
  await refused(second.renew(one));
  expect(second.problems()).toMatchObject([
    { code: "backup.other-hub", command: "cocalc-hub backup take-over" },
  ]);
  expect(second.problems()[0]?.why).toContain(first.dir);
  await first.renew(one);
  await second.takeOver(one);
  expect(second.problems()).toEqual([]);
  await second.assert(one);
  await refused(first.assert(one));
  await refused(first.renew(one));
  await second.renew(one);
});

test("a copy of a hub's directory is known for one as soon as either went on", async () => {
  const first = hub("first");
  await first.renew(one);
  cpSync(join(root, "first"), join(root, "copy"), { recursive: true });
  const copy = hub("copy");
  await copy.assert(one);
  await first.renew(one);
  await refused(copy.renew(one));
  await first.renew(one);
});

test("a hub that ended while it wrote its mark goes on; one that was recovered takes over by itself", async () => {
  const first = hub("first");
  await first.renew(one);
  const mark = JSON.parse(readFileSync(join(one.location, OWNER), "utf8")) as { word: string };
  const file = join(first.dir, "backup-owner/shared.json");
  writeFileSync(file, JSON.stringify({ word: "before", next: mark.word }));
  await hub("first").renew(one);
  rmSync(file);
  await refused(hub("first").renew(one));
  writeFileSync(join(first.dir, "recovered"), "now");
  await hub("first").assert(one);
  rmSync(join(first.dir, "recovered"));
  await hub("first").renew(one);
});

test("what a host put in its place, or what rotted, is nobody's", async () => {
  writeFileSync(join(one.location, OWNER), "garbage");
  chmodSync(join(one.location, OWNER), 0o444);
  const first = hub("first");
  await refused(first.renew(one));
  await first.takeOver(one);
  await first.renew(one);
});
