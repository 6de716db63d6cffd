/** A job's parts: what rustic and ssh read, what is made of their words, the walk that a proof compares with. */
import { afterAll, describe, expect, test } from "bun:test";
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { renderProfile, renderSshConfig } from "../../../contract/rustic-profile.ts";
import { jailArgv } from "../../helper/backup-jail.ts";
import { splitLog } from "./rustic-run.ts";
import { changedBetween, compareWith, walkTree } from "./walk.ts";
import { problemOfRun } from "./why.ts";

const places = { log: "/tmp/rustic.log", cache: "/cache", password: "/tmp/password" };
const GOLDEN_SFTP = `[global]
log-file = "/tmp/rustic.log"
log-level-logfile = "warn"
[repository]
repository = "opendal:sftp"
password-file = "/tmp/password"
cache-dir = "/cache"
[repository.options]
endpoint = "ssh://cocalc-backup"
connections = "4"
retry = "off"
`;

test("profiles: a backup does not retry, a restore does; secrets stay out of arguments", () => {
  const sftp = { kind: "sftp", password: "p" } as const;
  expect(renderProfile(sftp, places, { retry: "off" })).toBe(GOLDEN_SFTP);
  expect(renderProfile(sftp, places, { retry: "many" })).not.toContain("retry");
  expect(renderProfile({ kind: "local", path: '/a "b"' }, places, { retry: "many" })).toContain(
    'repository = "/a \\"b\\""\n',
  );
});

test("ssh: pinned host key, dead hubs noticed, no other file read", () => {
  const text = renderSshConfig(
    { host: "10.0.0.1", port: 9201, user: "cocalc", host_key: "ssh-ed25519 AAAA" },
    { key: "/tmp/key", knownHosts: "/tmp/known_hosts" },
  );
  for (const line of [
    "StrictHostKeyChecking yes",
    "GlobalKnownHostsFile none",
    "ServerAliveInterval 15",
    "IdentitiesOnly yes",
    "BatchMode yes",
  ])
    expect(text).toContain(`  ${line}\n`);
});

test("the jail gives a backup one right, reading, and nothing to write but its cache", () => {
  const argv = jailArgv({
    user: { uid: 995, gid: 995 },
    caps: ["dac_read_search"],
    data: { home: "/run/x/home", upper: "/run/x/upper" },
    writable: false,
    binary: "/opt/host",
    rustic: "/opt/rustic",
    cache: "/store/cache",
    passwd: "/run/x.passwd",
    group: "/run/x.group",
    rootless: false,
  });
  const text = argv.join(" ");
  expect(text).toContain("--ro-bind /run/x/home /project/home --ro-bind /run/x/upper /project/upper");
  expect(text).toContain(
    "--ambient-caps=-all,+dac_read_search --bounding-set=-all,+dac_read_search --no-new-privs",
  );
  expect(argv.filter((one) => one === "--bind")).toHaveLength(1);
  expect(argv.slice(-2)).toEqual(["/job", "backup-job"]);
});

test("a copy between projects sees the other's home beside its own, and cannot write to it", () => {
  const argv = jailArgv({
    user: { uid: 301_000, gid: 301_000 },
    caps: ["dac_read_search"],
    data: { home: "/pool/target/home" },
    source: "/run/x/home",
    writable: true,
    binary: "/opt/host",
    rustic: undefined,
    cache: "/store/cache",
    passwd: "/run/x.passwd",
    group: "/run/x.group",
    rootless: false,
  });
  const text = argv.join(" ");
  expect(text).toContain("--bind /pool/target/home /project/home");
  expect(text).toContain("--ro-bind /run/x/home /project/source");
  expect(text).not.toContain("rustic");
});

test("rustic's log: what it left out, what it broke on", () => {
  const text = [
    '2026-11-25T01:00:12.4+00:00 [WARN] - ignoring error: "x": Permission denied',
    "2026-11-25T01:00:12.4+00:00 [ERROR] - something",
    "2026-11-25T01:00:12.4+00:00 [ERROR] - Error during collection of files: Error { … kind: NotFound }",
    "2026-11-25T01:00:12.4+00:00 [WARN] - will retry Write in 1s",
    "  a second line of the message",
  ].join("\n");
  const { warnings, errors } = splitLog(text, false);
  expect(splitLog(text, true).errors).toEqual(["something"]);
  expect(warnings).toEqual(['ignoring error: "x": Permission denied']);
  expect(errors).toEqual(["something", "will retry Write in 1s a second line of the message"]);
});

test("failures have causes and ways out", () => {
  const run = (change: object) =>
    problemOfRun(
      {
        code: 1,
        summary: undefined,
        warnings: [],
        warningsTotal: 0,
        errors: [],
        stderr: "",
        ended: undefined,
        ...change,
      },
      "The backup",
    );
  expect(run({ stderr: "Host key verification failed." }).code).toBe("backup.host-key-changed");
  expect(run({ stderr: "connect to host x port 1: Connection refused" }).code).toBe("backup.unreachable");
  expect(run({ errors: ["SSH_FX_FAILURE Failure"] }).code).toBe("backup.repository-full");
  expect(run({ stderr: "NoSuchBucket" }).code).toBe("backup.s3-no-bucket");
  expect(run({ code: 134 }).code).toBe("backup.pack-damaged");
  // The hub went away while it read: that is no damage.
  expect(run({ code: 134, stderr: "client_loop: send disconnect: Broken pipe" }).code).toBe(
    "backup.unreachable",
  );
  const gone = "Failed to create sftp from session: the remote process has terminated";
  expect(run({ stderr: gone }).code).toBe("backup.unreachable");
  expect(run({ code: 137, stderr: "[INFO] rustic 0.11.4" })).toMatchObject({
    code: "backup.killed",
    title: "The backup was killed before its end",
  });
  // That was ourselves.
  expect(run({ code: 137, ended: "error", errors: ["No space left"] }).code).toBe("backup.repository-full");
  expect(run({ ended: "silence" }).code).toBe("backup.silent");
  expect(run({ stderr: "what nobody saw before" })).toMatchObject({
    code: "backup.failed",
    why: "what nobody saw before",
  });
});

describe("the walk", () => {
  const dir = mkdtempSync(join(tmpdir(), "walk-"));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  const make = (name: string) => {
    const root = join(dir, name);
    mkdirSync(join(root, "home/sub"), { recursive: true });
    const odd = Buffer.concat([Buffer.from(`${root}/home/`), Buffer.from([0x66, 0xff, 0x0a, 0x67])]);
    writeFileSync(odd, "raw bytes");
    writeFileSync(join(root, "home/a"), "aaa");
    linkSync(join(root, "home/a"), join(root, "home/hard"));
    symlinkSync("a", join(root, "home/link"));
    for (const path of [odd, join(root, "home/a"), join(root, "home/sub"), join(root, "home")])
      utimesSync(path, 1_700_000_000, 1_700_000_000);
    return root;
  };
  test("counts everything, names as raw bytes; two like trees have one digest", async () => {
    const [one, two] = [await walkTree(make("one")), await walkTree(make("two"))];
    expect(one.manifest).toMatchObject({ files: 4, dirs: 3, bytes: 15 });
    expect(two.manifest.digest).toBe(one.manifest.digest);
    expect((await compareWith(join(dir, "two"), one.manifest)).differences).toEqual([]);
  });
  test("one byte, one mode, one missing file is a difference", async () => {
    const { manifest } = await walkTree(join(dir, "one"));
    const changed = make("three");
    writeFileSync(join(changed, "home/a"), "aab");
    utimesSync(join(changed, "home/a"), 1_700_000_000, 1_700_000_000);
    expect((await compareWith(changed, manifest)).differences.join()).toContain("sha256");
    rmSync(join(changed, "home/link"));
    expect((await compareWith(changed, manifest)).differences.join()).toContain("home/link: not there");
  });
  test("what changed meanwhile is named", async () => {
    const root = make("four");
    const before = await walkTree(root, { signatures: true });
    writeFileSync(join(root, "home/a"), "longer");
    writeFileSync(join(root, "home/new"), "n");
    const after = await walkTree(root, { signatures: true });
    expect(changedBetween(before.signatures ?? new Map(), after.signatures ?? new Map()).sort()).toEqual([
      "home",
      "home/a",
      "home/hard",
      "home/new",
    ]);
  });
});
