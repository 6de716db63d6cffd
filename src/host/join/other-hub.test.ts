import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostPaths } from "../../core/paths.ts";
import { generateKeyPair } from "../../core/ssh-keys.ts";
import { projectRecords } from "../projects/record.ts";
import { accessFile } from "../ssh-gateway/places.ts";
import { type HostState, hostKey, knownHostKey } from "../state.ts";
import { leaveFormerHub } from "./other-hub.ts";

const dir = mkdtempSync(join(tmpdir(), "other-hub-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test("the former hub's identity is put aside, its projects stay and do not run, the new key is the machine's", () => {
  const paths = hostPaths(dir);
  mkdirSync(paths.ssh, { recursive: true });
  mkdirSync(paths.projects);
  writeFileSync(paths.state, "{}");
  const before = hostKey(paths).publicLine;
  writeFileSync(accessFile(paths), "{}");
  const project_id = "2d9f1f3e-54a8-4a0e-9d8c-8d6f8f6b1b11";
  projectRecords(paths.projects).save({
    spec: {
      project_id,
      name: "thesis",
      image: "base",
      limits: { memory_bytes: 2 ** 30, cpus: 1, pids: 100 },
      lan: "blocked",
      generation: 1,
    },
    desired: "running",
    digest: null,
    token: null,
  });
  const former = { hub_id: "aaaaaaaa-54a8-4a0e-9d8c-8d6f8f6b1b11" } as HostState;
  for (const suffix of ["", "-2"]) {
    const key = generateKeyPair();
    writeFileSync(paths.state, "{}");
    expect(leaveFormerHub(paths, former, key)).toBe(1);
    expect(existsSync(paths.state)).toBe(false);
    expect(existsSync(`${paths.state}.of-aaaaaaaa${suffix}`)).toBe(true);
    expect(knownHostKey(paths)).toBe(key.publicLine);
  }
  expect(readFileSync(join(`${paths.ssh}.of-aaaaaaaa`, "host_ed25519.pub"), "utf8")).toContain(before);
  expect(projectRecords(paths.projects).load()[0]?.desired).toBe("stopped");
  // Nobody whom the former hub let in may start one.
  expect(existsSync(accessFile(paths))).toBe(false);
});
