/** The decisions about backups, without any I/O. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { JobResult } from "../../contract/backup-job.ts";
import { type AlarmFacts, alarmsOf } from "./alarms.ts";
import { choose } from "./drills.ts";
import { isDue } from "./due.ts";
import { parseListing, unquote } from "./look.ts";
import { mailOf, signature } from "./notify.ts";
import { judge } from "./prove.ts";
import { parsePolicy, toForget } from "./retention.ts";
import { ballastBytes, judgeRoom } from "./space.ts";

const HOUR = 3_600_000;
const NOW = Date.parse("2026-11-25T12:00:00Z");
const iso = (hoursAgo: number) => new Date(NOW - hoursAgo * HOUR).toISOString();
const ID = "5d1f7bd0-9c0e-4b6f-8f5c-0f0f0f0f0f0f";

describe("proof", () => {
  const good: JobResult = {
    snapshot_id: "a".repeat(64),
    files: 3,
    dirs: 2,
    added_bytes: 1,
    warnings: [],
    warnings_total: 0,
    nested: [],
    changed: [],
    changed_total: 0,
    manifest: { files: 3, dirs: 2, bytes: 1, digest: "d", sample: [] },
    differences: [],
    took_ms: 1,
  };
  const seen = { whole: true, hostname: `project-${ID}` };
  test("all agree, and the hub sees it: proven", () => {
    expect(judge(good, seen, ID)).toEqual({ state: "proven", leftOut: [], leftOutTotal: 0, problem: null });
  });
  test("rustic's own word, exit 0, is not enough", () => {
    expect(judge({ ...good, files: 2 }, seen, ID).state).toBe("partial");
    expect(judge({ ...good, dirs: 3 }, seen, ID).state).toBe("partial");
    expect(judge({ ...good, warnings: ["ignoring error: x"], warnings_total: 1 }, seen, ID)).toMatchObject({
      state: "partial",
      leftOutTotal: 1,
    });
    expect(judge({ ...good, nested: ["home/sub"] }, seen, ID).leftOut[0]).toContain("home/sub: a subvolume");
    expect(judge({ ...good, changed: ["home/log"], changed_total: 1 }, seen, ID).leftOut[0]).toContain(
      "changed",
    );
  });
  test("what the hub does not see, or sees of another project, failed", () => {
    expect(judge(good, { whole: false, hostname: null }, ID).problem?.code).toBe("backup.not-in-repository");
    expect(judge(good, { whole: true, hostname: "project-other" }, ID).problem?.code).toBe("backup.forged");
    expect(judge({ ...good, snapshot_id: null }, seen, ID).state).toBe("failed");
  });
});

describe("retention", () => {
  const policy = parsePolicy("24h 7d 4w 6m");
  const hourly = Array.from({ length: 24 * 60 }, (_, hoursAgo) => ({
    backup_id: String(hoursAgo),
    state: "proven",
    started_at: iso(hoursAgo),
    snapshot_id: String(hoursAgo),
  }));
  test("two months of hourly backups become about thirty", () => {
    const gone = new Set(toForget(hourly, policy, NOW));
    const kept = hourly.filter((one) => !gone.has(one.backup_id));
    expect(kept.length).toBeGreaterThanOrEqual(24 + 6);
    expect(kept.length).toBeLessThanOrEqual(24 + 7 + 4 + 6);
    expect(kept.slice(0, 24).map((one) => one.backup_id)).toEqual(
      hourly.slice(0, 24).map((one) => one.backup_id),
    );
  });
  test("the newest proven one stays, whatever the policy and whatever came after it", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            state: fc.constantFrom("proven", "partial", "failed", "running"),
            hours: fc.integer({ min: 0, max: 20_000 }),
          }),
          { maxLength: 60 },
        ),
        fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3), fc.nat(3)),
        (all, [h, d, w, m]) => {
          const rows = all.map((one, index) => ({
            backup_id: String(index),
            state: one.state,
            started_at: iso(one.hours),
            snapshot_id: one.state === "failed" || one.state === "running" ? null : String(index),
          }));
          const gone = new Set(toForget(rows, { hourly: h, daily: d, weekly: w, monthly: m }, NOW));
          const newest = rows
            .filter((one) => one.state === "proven")
            .sort((a, b) => b.started_at.localeCompare(a.started_at))[0];
          expect(newest === undefined || !gone.has(newest.backup_id)).toBe(true);
          expect(rows.some((one) => one.state === "running" && gone.has(one.backup_id))).toBe(false);
        },
      ),
    );
  });
  test("a proven one is preferred to a partial one of the same hour", () => {
    const rows = [
      { backup_id: "partial", state: "partial", started_at: iso(0.1), snapshot_id: "p" },
      { backup_id: "proven", state: "proven", started_at: iso(0.5), snapshot_id: "q" },
    ];
    expect(toForget(rows, { hourly: 1, daily: 0, weekly: 0, monthly: 0 }, NOW)).not.toContain("proven");
  });
});

describe("what is due", () => {
  const project = {
    project_id: ID,
    state: "running",
    state_since: iso(5),
    last_used_at: iso(5),
    host_id: "h",
  };
  const past = (state: string, hoursAgo: number) => ({ state, started_at: iso(hoursAgo) });
  test("first at once, then by the interval, never two at a time", () => {
    expect(isDue(project, [], 60, NOW)).toBe(true);
    expect(isDue(project, [past("proven", 0.5)], 60, NOW)).toBe(false);
    expect(isDue(project, [past("proven", 1.1)], 60, NOW)).toBe(true);
    expect(isDue(project, [past("running", 9)], 60, NOW)).toBe(false);
    expect(isDue(project, [], 0, NOW)).toBe(false);
  });
  test("a backup of a time that has not come keeps nobody waiting; one whose data is gone is made again", () => {
    expect(isDue(project, [past("proven", -48)], 60, NOW)).toBe(true);
    // Once one was made since, it is that one's age that counts: not a backup each minute until the time has come.
    expect(isDue(project, [past("proven", -48), past("proven", 0.5)], 60, NOW)).toBe(false);
    expect(isDue(project, [past("proven", -48), past("running", 0.1)], 60, NOW)).toBe(false);
    const stopped = { ...project, state: "stopped", state_since: iso(10), last_used_at: iso(11) };
    const lost = { ...past("partial", 2), problem: JSON.stringify({ code: "backup.data-lost" }) };
    expect(isDue(stopped, [past("partial", 2)], 60, NOW)).toBe(false);
    expect(isDue(stopped, [lost], 60, NOW)).toBe(true);
  });
  test("what did not run since has not changed; what never ran has nothing", () => {
    const idle = { ...project, state: "stopped", state_since: iso(10), last_used_at: iso(11) };
    expect(isDue(idle, [past("proven", 9)], 60, NOW)).toBe(false);
    expect(isDue(idle, [past("proven", 12)], 60, NOW)).toBe(true);
    expect(isDue({ ...project, last_used_at: null }, [], 60, NOW)).toBe(false);
  });
  test("after failures sooner, then less and less often", () => {
    expect(isDue(project, [past("failed", 0.1), past("proven", 1)], 60, NOW)).toBe(true);
    expect(isDue(project, [past("failed", 0.1), past("failed", 0.3), past("failed", 0.6)], 60, NOW)).toBe(
      false,
    );
  });
});

test("a listing of rustic, with names as they come", () => {
  const text = [
    '-rw-r--r--     1000     1000         6 25 Nov 2026 00:57 "a.txt" ',
    'lrwxrwxrwx     1000     1000         5 25 Nov 2026 00:57 "l" -> a.txt',
    'drwxr-xr-x     1000     1000         0  3 Nov 2026 00:57 "sub dir" ',
    '-rw-r--r--     1000     1000         0 25 Nov 2026 00:57 "odd \\"q\\" \\u{1f4a9}\\n" ',
    "nonsense",
  ].join("\n");
  expect(parseListing(text, "notes").map((one) => [one.type, one.path, one.size, one.link])).toEqual([
    ["file", "notes/a.txt", 6, null],
    ["link", "notes/l", 5, "a.txt"],
    ["dir", "notes/sub dir", 0, null],
    ["file", 'notes/odd "q" 💩\n', 0, null],
  ]);
  expect(unquote("\\u{e9}\\\\")).toBe("é\\");
});

test("room: small disks are not refused for being small, large ones keep twenty GiB", () => {
  const GIB = 2 ** 30;
  expect(judgeRoom(100 * GIB, 1000 * GIB)).toBe("ok");
  expect(judgeRoom(19 * GIB, 1000 * GIB)).toBe("refuse");
  expect(judgeRoom(25 * GIB, 1000 * GIB)).toBe("warn");
  expect(judgeRoom(10 * GIB, 40 * GIB)).toBe("ok");
  expect(judgeRoom(0.15 * GIB, 0.2 * GIB)).toBe("ok");
  expect(judgeRoom(0.01 * GIB, 0.2 * GIB)).toBe("refuse");
  expect([ballastBytes(1000 * GIB), ballastBytes(0.25 * GIB) < 8 * 2 ** 20]).toEqual([GIB / 4, true]);
});

test("a drill falls on who waited longest most often, and on everybody", () => {
  const row = (id: string) => ({ backup_id: id, started_at: iso(100) }) as never;
  const candidates = [
    { row: row("old"), drilledAt: iso(99) },
    { row: row("new"), drilledAt: iso(1) },
  ];
  const chosen = Array.from({ length: 100 }, (_, n) => choose(candidates, NOW, (n + 0.9) / 100)?.backup_id);
  expect(chosen.filter((one) => one === "old").length).toBeGreaterThan(90);
  expect(chosen).toContain("new");
  expect(choose([], NOW, 0.5)).toBeUndefined();
});

describe("alarms", () => {
  const project = {
    project_id: ID,
    name: "first",
    state: "running",
    state_since: iso(100),
    last_used_at: iso(100),
    created_at: iso(200),
    host_id: "h",
  };
  const facts = (change: Partial<AlarmFacts>): AlarmFacts => ({
    now: NOW,
    alarmHours: 26,
    everyMinutes: 60,
    projects: [project as never],
    backups: [],
    drills: [],
    repositories: [],
    readBackProblems: [],
    damaged: [],
    hubBackedUpAt: iso(1),
    problems: [],
    ...change,
  });
  const codes = (change: Partial<AlarmFacts>) => alarmsOf(facts(change)).map((one) => one.code);
  const backup = (state: string, hoursAgo: number) =>
    ({ project_id: ID, state, started_at: iso(hoursAgo), problem: null }) as never;
  test("a host that says nothing raises it: only a proven backup is silence", () => {
    expect(codes({})).toEqual(["backup.too-old"]);
    expect(codes({ backups: [backup("partial", 1)] })).toEqual(["backup.too-old"]);
    expect(codes({ backups: [backup("proven", 1)] })).toEqual([]);
    expect(codes({ backups: [backup("proven", 30)] })).toEqual(["backup.too-old"]);
  });
  test("damage, drills and closed ways are heard of", () => {
    const drills = [{ state: "failed", started_at: iso(1), project_name: "first", problem: null } as never];
    const heard = codes({
      backups: [backup("proven", 1)],
      drills,
      damaged: [{ name: "index/x", problem: "y" }],
      readBackProblems: [{ repository_id: "shared", problem: "z" }],
      problems: [{ code: "backup.no-jail", title: "closed" }],
    });
    for (const code of ["backup.drill-failed", "backup.quarantined", "backup.data-damaged", "backup.no-jail"])
      expect(heard).toContain(code);
  });
  test("the hub's own bundle that is too old is heard of, also where there never was one", () => {
    const proven = [backup("proven", 1)];
    const repository = (hoursAgo: number) =>
      ({ repository_id: "shared", created_at: iso(hoursAgo), read_back_at: iso(1), space: "ok" }) as never;
    const heard = (hubBackedUpAt: string | null, madeHoursAgo: number) =>
      alarmsOf(facts({ backups: proven, hubBackedUpAt, repositories: [repository(madeHoursAgo)] }));
    expect(heard(iso(5), 100)).toEqual([]);
    expect(heard(iso(7), 100)).toMatchObject([
      { code: "backup.hub-too-old", severity: "bad", title: "The hub's own last backup is 7 h old" },
    ]);
    // A new repository is given the time that it takes.
    expect(heard(null, 5)).toEqual([]);
    expect(heard(null, 7)).toMatchObject([
      { code: "backup.hub-too-old", title: "The hub itself has no backup" },
    ]);
    // Before the first repository there is nowhere to put it.
    expect(codes({ backups: proven, hubBackedUpAt: null })).toEqual([]);
  });
  test("told once for each change; a mail's subject is one line", () => {
    const alarms = alarmsOf(facts({}));
    expect(signature(alarms)).toBe(signature(alarmsOf(facts({ now: NOW + HOUR }))));
    expect(mailOf("Hub\nBcc: x", "a@b.c", alarms).split("\n")[1]).toBe(
      "Subject: [Hub Bcc: x] 1 backup alarm",
    );
  });
});
