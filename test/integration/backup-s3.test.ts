/**
 * Backups to a bucket: a real S3-compatible server, rustic, the whole hub. What goes wrong there has a cause that is
 * told, and what passes by itself is waited for.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Account, Project } from "../../src/contract/api.ts";
import type { JobResult } from "../../src/contract/backup-job.ts";
import { renderProfile } from "../../src/contract/rustic-profile.ts";
import type { S3Target } from "../../src/contract/s3-store.ts";
import { CodedError } from "../../src/core/errors.ts";
import { exec, execOk } from "../../src/core/exec.ts";
import { runJob } from "../../src/host/backups/job/job.ts";
import { type BackupLab, openBackupLab, TREE } from "../fixtures/backup-lab.ts";
import { removeDataDir } from "../fixtures/data-dir.ts";
import { buildOnce, HOST_BINARY, HUB_BINARY, startHub } from "../fixtures/running-hub.ts";
import { RUSTIC, whyNoBackups } from "../fixtures/rustic.ts";
import { type S3Lab, startS3, whyNoS3 } from "../fixtures/s3-lab.ts";

const SLOW = 180_000;
const WHY = whyNoBackups() ?? whyNoS3();
if (WHY !== undefined) console.error(`SKIPPED: backups to S3: ${WHY}`);
const LONG = process.env.COCALC_TEST_LONG === "1";
const NO_FAKETIME = Bun.which("faketime") === null;
if (NO_FAKETIME) console.error("SKIPPED: backups to S3 with a clock that is off: needs faketime");

describe.skipIf(WHY !== undefined)("one job and the storage's bad days", () => {
  let s3: S3Lab;
  const dir = mkdtempSync(join(tmpdir(), "cc-s3job-"));
  const places = {
    data: join(dir, "data"),
    tmp: join(dir, "tmp"),
    cache: join(dir, "cache"),
    rustic: RUSTIC,
  };
  const project_id = crypto.randomUUID();
  const repository = (change: Partial<S3Target> = {}) =>
    ({ ...s3.target, root: "/cocalc/shared", ...change, password: "pw" }) as const;
  const input = (change: Partial<S3Target> = {}) => ({
    project_id,
    task: { kind: "backup", parent: null } as const,
    repository: repository(change),
    ssh: null,
    live: false,
    places,
  });
  /** `when`: called once it reads. */
  const job = async (change: Partial<S3Target> = {}, when: () => void = () => {}): Promise<JobResult> => {
    for (let at = 0; at < 40; at++) writeFileSync(join(places.data, `home/f${at}`), randomBytes(200_000));
    let told = false;
    return await runJob(input(change), (progress) => {
      if (told || progress.phase !== "reading") return;
      told = true;
      when();
    });
  };
  const code = async (work: Promise<unknown>) =>
    await work.then(
      () => "it went well",
      (error: unknown) => (error instanceof CodedError ? error.code : String(error)),
    );

  beforeAll(async () => {
    s3 = await startS3();
    for (const path of ["data/home", "tmp", "cache"]) mkdirSync(join(dir, path), { recursive: true });
    writeFileSync(join(dir, "password"), "pw");
  }, SLOW);
  afterAll(async () => {
    await s3?.stop();
    rmSync(dir, { recursive: true, force: true });
  }, SLOW);

  test("nothing there, no such bucket, wrong keys: each by its name", async () => {
    expect(await code(job())).toBe("backup.s3-no-repository");
    const init = { log: join(dir, "log"), cache: places.cache, password: join(dir, "password") };
    writeFileSync(join(dir, "init.toml"), renderProfile(repository(), init, { retry: "many" }));
    await execOk([RUSTIC, "-P", join(dir, "init"), "init"], { timeout: 60_000 });
    expect(await code(job({ bucket: "nowhere" }))).toBe("backup.s3-no-bucket");
    expect(await code(job({ secret_access_key: "wrong" }))).toBe("backup.s3-keys-refused");
    expect(await code(job({ access_key_id: "nobody" }))).toBe("backup.s3-keys-refused");
    const made = await job();
    expect(made).toMatchObject({ files: 40, warnings: [], manifest: { files: 40 } });
  });

  test.skipIf(NO_FAKETIME)("a clock that is off is told as that", async () => {
    await buildOnce();
    const ran = await exec(["faketime", "-f", "+2h", HOST_BINARY, "backup-job"], {
      stdin: JSON.stringify(input()),
      timeout: 60_000,
    });
    expect(ran.stdout).toContain('"backup.s3-clock"');
  });

  test(
    "a storage that wants patience, or cuts a connection, for a moment: the backup is whole all the same",
    async () => {
      for (const kind of LONG ? (["throttle", "cut", "away"] as const) : (["throttle", "cut"] as const)) {
        const made = await job({}, () => s3.weather(kind, 2));
        expect([kind, made.files, made.warnings, s3.hit()]).toEqual([kind, 40, [], 2]);
        s3.weather("fine");
      }
    },
    SLOW,
  );

  test(
    "for longer: it fails soon, with the cause, and the next one is whole",
    async () => {
      // Each tries again for ten seconds first.
      const all = [
        ["cut", "backup.unreachable"],
        ["throttle", "backup.s3-throttled"],
        ["away", "backup.unreachable"],
      ] as const;
      for (const [kind, told] of LONG ? all : all.slice(0, 1)) {
        expect([kind, await code(job({}, () => s3.weather(kind)))]).toEqual([kind, told]);
        s3.weather("fine");
        expect((await job()).files).toBe(40);
      }
    },
    SLOW,
  );
});

describe.skipIf(WHY !== undefined)("a hub whose backups go to a bucket", () => {
  let s3: S3Lab;
  let lab: BackupLab;
  let project: Project;
  let tree: string;
  const files = mkdtempSync(join(tmpdir(), "cc-s3hub-"));
  const keys = (name: string, secret: string) => {
    writeFileSync(join(files, name), `${s3.target.access_key_id}\n${secret}\n`, { mode: 0o600 });
    return join(files, name);
  };
  const target = (bucket: string, file: string) =>
    lab.hub.cli(
      ...["backup", "target", "--endpoint", s3.target.endpoint, "--bucket", bucket, "--keys-file", file],
    );
  const inBucket = (folder: string) => join(s3.bucket, "cocalc/shared", folder);

  beforeAll(async () => {
    s3 = await startS3();
    lab = await openBackupLab();
    project = await lab.project("first");
    await lab.sh(project, "mkdir -p notes/deep && echo one > notes/a && head -c 3000000 /dev/urandom > big");
    tree = await lab.sh(project, TREE);
  }, SLOW);
  afterAll(async () => {
    await lab?.hub.stop();
    await s3?.stop();
    rmSync(files, { recursive: true, force: true });
  }, SLOW);

  test("a target that does not work is refused when it is set", async () => {
    const good = keys("good", s3.target.secret_access_key);
    expect((await target("nowhere", good)).stderr).toContain("backup.s3-no-bucket");
    expect((await target("backups", keys("bad", "wrong"))).stderr).toContain("backup.s3-keys-refused");
    s3.weather("away");
    expect((await target("backups", good)).stderr).toContain("backup.unreachable");
    s3.weather("fine");
    expect((await target("backups", good)).stderr).toBe("");
    // What the trial wrote is gone.
    expect(readdirSync(s3.bucket).filter((name) => name.startsWith("probe"))).toEqual([]);
  });

  test(
    "backup and proof, browsing, restore, drill, reading back and prune",
    async () => {
      const first = await lab.backup(project);
      expect(first).toMatchObject({ state: "proven", left_out: [] });
      // Not the only one there: the hub puts its own bundle beside them, in its own time.
      expect(readdirSync(inBucket("snapshots"))).toContain(String(first.snapshot_id));
      expect((await lab.overview()).repositories).toMatchObject([
        { kind: "s3", location: "s3://backups/cocalc/shared" },
      ]);
      const got = await lab.hub.cli("backup", "get", project.project_id, "latest", "notes/a");
      expect(got.stdout).toBe("one\n");
      await lab.sh(project, "rm -r notes big && echo later > later");
      expect((await lab.hub.cli("backup", "restore", project.project_id, "latest")).stderr).toBe("");
      expect(await lab.sh(project, TREE)).toBe(tree);
      expect((await lab.hub.cli("backup", "drill", "first")).stderr).toBe("");
      expect((await lab.hub.cli("backup", "verify")).stderr).toBe("");
      expect((await lab.hub.cli("backup", "prune")).stderr).toBe("");
      const second = await lab.backup(project);
      expect([second.state, second.added_bytes < 200_000]).toEqual(["proven", true]);
    },
    SLOW,
  );

  test(
    "a bad index in the bucket is put aside, and told",
    async () => {
      const planted = join(inBucket("index"), "00".repeat(32));
      writeFileSync(planted, "junk");
      utimesSync(planted, new Date(0), new Date(0));
      expect((await lab.backup(project)).state).toBe("failed");
      expect((await lab.hub.cli("backup", "verify")).stderr).toBe("");
      expect(existsSync(planted)).toBe(false);
      expect(readdirSync(inBucket("quarantine"))).toHaveLength(1);
      expect((await lab.overview()).alarms.map((one) => one.code)).toContain("backup.quarantined");
      expect((await lab.backup(project)).state).toBe("proven");
    },
    SLOW,
  );

  test(
    "a flipped bit in a pack of the bucket: found by reading back, put aside, and the next backup is whole again",
    async () => {
      const packs = readdirSync(inBucket("data"), { recursive: true })
        .map((name) => join(inBucket("data"), String(name)))
        .filter((path) => statSync(path).isFile())
        .sort((a, b) => statSync(b).size - statSync(a).size);
      const pack = packs[0] ?? "";
      // In place: the server keeps what it knows of an object beside the file's data.
      const fd = openSync(pack, "r+");
      const byte = Buffer.alloc(1);
      readSync(fd, byte, 0, 1, 5_000);
      writeSync(fd, Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, 5_000);
      closeSync(fd);
      expect((await lab.hub.cli("backup", "verify")).stderr).toContain("backup.data-damaged");
      expect(existsSync(pack)).toBe(false);
      expect(readdirSync(inBucket("quarantine")).some((name) => name.includes(basename(pack)))).toBe(true);
      expect((await lab.backup(project)).state).toBe("proven");
      expect((await lab.hub.cli("backup", "drill", project.project_id)).stderr).toBe("");
      expect((await lab.hub.cli("backup", "verify")).stderr).toBe("");
    },
    SLOW,
  );

  test(
    "the bucket's weather: what failed says why, and heals",
    async () => {
      s3.weather("away");
      const failed = await lab.backup(project);
      expect([failed.state, failed.problem?.code]).toEqual(["failed", "backup.unreachable"]);
      s3.weather("fine");
      expect((await lab.backup(project)).state).toBe("proven");
    },
    SLOW,
  );

  test(
    "the hub is lost: its sheet and the bucket bring it back",
    async () => {
      expect((await lab.hub.cli("backup", "hub")).stderr).toBe("");
      const sheet = (await lab.hub.cli("backup", "recovery-sheet")).stdout;
      const profile = join(files, "bucket.toml");
      writeFileSync(profile, sheet.slice(sheet.indexOf("[repository]")), { mode: 0o600 });
      writeFileSync(join(files, "key"), /recovery key {2}(\S+)/.exec(sheet)?.[1] ?? "", { mode: 0o600 });
      const { dataDir, basePort } = lab.hub;
      await lab.hub.stop({ keep: true });
      rmSync(join(dataDir, "launchpad"), { recursive: true, force: true });
      const recovered = await exec(
        [
          ...[HUB_BINARY, "recover", "--from", profile, "--key-file", join(files, "key")],
          ...["--data-dir", dataDir, "--json"],
        ],
        { timeout: 120_000 },
      );
      expect(recovered.stderr).toBe("");
      const hub = await startHub({ dataDir, basePort });
      lab.hub = {
        ...hub,
        stop: async () => {
          await hub.stop();
          await removeDataDir(dataDir);
        },
      };
      expect((await hub.json<Account[]>("user", "list")).map((one) => one.email)).toEqual([
        "ada@example.com",
      ]);
      const got = await hub.cli("backup", "get", project.project_id, "latest", "notes/a");
      expect(got.stdout).toBe("one\n");
    },
    SLOW,
  );
});
