import { expect, test } from "bun:test";
import type { BackupsOverview } from "../../contract/api-backups.ts";
import { hostBackupsInWords } from "./host-backups.tsx";

const project = (host: string, proven: string | null, state: string | null) => ({
  project_id: crypto.randomUUID(),
  name: "p",
  host_name: host,
  last_proven_at: proven,
  last: state === null ? null : { state },
});
const words = (...projects: ReturnType<typeof project>[]) =>
  hostBackupsInWords({ projects } as unknown as BackupsOverview, "amber");

test("a host's backups in one line: how many are proven, which are not", () => {
  const hour = new Date(Date.now() - 3_600_000).toISOString();
  expect(words(project("other", hour, "proven"), project("amber", null, null))).toBeUndefined();
  expect(words(project("amber", hour, "proven"))).toStartWith("1 of 1 project proven, the oldest ");
  expect(words(project("amber", hour, "failed"), project("amber", null, "partial"))).toMatch(
    /^1 of 2 projects proven, .*; 1 without any; the last one of 1 failed$/,
  );
});
