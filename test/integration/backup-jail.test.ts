/**
 * What a host's backup key can do at the real sshd, tried by raw SFTP requests as an attacker makes them, and judged on
 * the hub's disk: every file's hash, mode and time, before and after.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { toProblem } from "../../src/core/errors.ts";
import { exec, execOk } from "../../src/core/exec.ts";
import { FXP, OPEN_FLAGS, type SftpReply, SftpWire, str, u32, u64 } from "../../src/core/sftp-wire.ts";
import { encodePrivateKey, generateKeyPair } from "../../src/core/ssh-keys.ts";
import { jailCommand, prepareJail, probeJail } from "../../src/hub/backups/jail.ts";
import { sshdFiles } from "../../src/hub/sshd/files.ts";
import { renderAuthorizedKeys } from "../../src/hub/sshd/render.ts";
import { type RealSshd, startRealSshd } from "../fixtures/real-sshd.ts";

const SLOW = 120_000;
const NAME = "ab".repeat(32);
const FILES = ["config", `keys/${NAME}`, `index/${NAME}`, `snapshots/${NAME}`, `data/ab/${NAME}`];
const DIRECTORIES = ["keys", "index", "snapshots", "data", "data/ab"];

let sshd: RealSshd;
let repo: string;
const keys = {} as Record<"append" | "read", string>;

/** Path → kind, mode, owner, time, content of all below. */
function photograph(dir: string): Map<string, string> {
  const seen = new Map<string, string>();
  const walk = (path: string) => {
    const stat = lstatSync(path);
    const content = stat.isFile() ? createHash("sha256").update(readFileSync(path)).digest("hex") : "";
    // A directory's time moves with each file that is added.
    const time = stat.isDirectory() ? "" : stat.mtimeMs;
    seen.set(path, [stat.mode.toString(8), stat.uid, stat.nlink, stat.size, time, content].join(" "));
    if (stat.isDirectory()) for (const name of readdirSync(path)) walk(join(path, name));
  };
  walk(dir);
  return seen;
}
/** What changed or went away; what was added is allowed. */
function damage(before: Map<string, string>, after: Map<string, string>): string[] {
  return [...before].flatMap(([path, was]) => {
    const now = after.get(path);
    const isDirectory = was.startsWith("4");
    if (now === undefined) return [`${path} is gone`];
    // Number of links and size of a directory follow its entries.
    const same = isDirectory
      ? now.split(" ").slice(0, 2).join() === was.split(" ").slice(0, 2).join()
      : now === was;
    return same ? [] : [`${path}: ${was} → ${now}`];
  });
}

const argv = (key: string) => [...sshd.ssh(key, ["-s"], ["sftp"])];
const open = (key: "append" | "read" = "append") => SftpWire.open(argv(keys[key]));

beforeAll(async () => {
  sshd = await startRealSshd();
  repo = join(sshd.paths.dir, "backup-repo");
  mkdirSync(repo, { mode: 0o700 });
  for (const dir of DIRECTORIES) mkdirSync(join(repo, dir), { recursive: true, mode: 0o700 });
  for (const file of FILES) writeFileSync(join(repo, file), `content of ${file}`, { mode: 0o444 });
  const jail = await prepareJail(sshd.paths, sshd.user);
  for (const kind of ["append", "read"] as const) {
    const pair = generateKeyPair();
    keys[kind] = join(sshd.dir, `backup-${kind}`);
    writeFileSync(keys[kind], encodePrivateKey(pair), { mode: 0o600 });
    appendFileSync(
      sshdFiles(sshd.paths).authorizedKeys,
      renderAuthorizedKeys([], [], {} as never, [
        {
          host_id: sshd.hostId,
          public_key: pair.publicLine,
          command: jailCommand(jail, repo, kind === "read"),
        },
      ]),
    );
  }
  await exec(["chown", "-R", `${sshd.user}:`, sshd.paths.dir]);
}, SLOW);
afterAll(async () => {
  await sshd.stop();
}, SLOW);

test("a backup's way is open: new files at their final names, reading, listing", async () => {
  const wire = await open();
  expect(await wire.put(`data/ab/${"cd".repeat(32)}`, Buffer.from("new pack"))).toBe(true);
  expect((await wire.get(`data/ab/${"cd".repeat(32)}`))?.toString()).toBe("new pack");
  expect((await wire.get("config"))?.toString()).toBe("content of config");
  expect((await wire.request(FXP.OPENDIR, str("snapshots"))).type).toBe(FXP.HANDLE);
  expect((await wire.request(FXP.STAT, str("config"))).type).toBe(FXP.ATTRS);
  wire.close();
  const stat = lstatSync(join(repo, `data/ab/${"cd".repeat(32)}`));
  expect(stat.mode & 0o777).toBe(0o444);
});

describe("what it cannot do", () => {
  const refused = (reply: SftpReply | Buffer) => !Buffer.isBuffer(reply) && reply.status !== 0;
  /** Each attack leaves nothing changed on the hub's disk; the server's own answer must be a refusal too. */
  const attacks: [name: string, attack: (wire: SftpWire, target: string) => Promise<SftpReply | Buffer>][] = [
    ["overwrite", (w, t) => w.open(t, OPEN_FLAGS.WRITE)],
    ["truncate", (w, t) => w.open(t, OPEN_FLAGS.WRITE | OPEN_FLAGS.CREAT | OPEN_FLAGS.TRUNC)],
    ["append", (w, t) => w.open(t, OPEN_FLAGS.WRITE | OPEN_FLAGS.APPEND)],
    ["read and write", (w, t) => w.open(t, OPEN_FLAGS.READ | OPEN_FLAGS.WRITE)],
    ["create over", (w, t) => w.open(t, OPEN_FLAGS.WRITE | OPEN_FLAGS.CREAT | OPEN_FLAGS.EXCL)],
    ["remove", (w, t) => w.request(FXP.REMOVE, str(t))],
    ["rename away", (w, t) => w.request(FXP.RENAME, str(t), str(`${t}.old`))],
    ["rename over", (w, t) => w.request(FXP.RENAME, str(`data/ab/${"cd".repeat(32)}`), str(t))],
    ["posix-rename over", (w, t) => w.extended("posix-rename@openssh.com", str("config"), str(t))],
    ["hard link", (w, t) => w.extended("hardlink@openssh.com", str(t), str("linked"))],
    ["symbolic link", (w, t) => w.request(FXP.SYMLINK, str(t), str("linked"))],
    ["chmod", (w, t) => w.request(FXP.SETSTAT, str(t), u32(4), u32(0o666))],
    ["set size", (w, t) => w.request(FXP.SETSTAT, str(t), u32(1), u64(0))],
    ["set time", (w, t) => w.request(FXP.SETSTAT, str(t), u32(8), u32(1), u32(1))],
    ["set owner", (w, t) => w.request(FXP.SETSTAT, str(t), u32(2), u32(0), u32(0))],
    ["lsetstat", (w, t) => w.extended("lsetstat@openssh.com", str(t), u32(4), u32(0o666))],
    ["copy-data", (w, t) => w.extended("copy-data", str(t), u64(0), u64(0), str("config"), u64(0))],
  ];
  for (const [name, attack] of attacks) {
    test(`${name}: config, key, index, snapshot, pack`, async () => {
      const before = photograph(sshd.paths.dir);
      const wire = await open();
      for (const target of FILES) expect(refused(await attack(wire, target))).toBe(true);
      wire.close();
      expect(damage(before, photograph(sshd.paths.dir))).toEqual([]);
      expect(existsSync(join(repo, "linked"))).toBe(false);
    });
  }

  test("directories are neither made, removed, renamed nor closed", async () => {
    const before = photograph(sshd.paths.dir);
    const wire = await open();
    for (const dir of DIRECTORIES) {
      for (const reply of [
        await wire.request(FXP.RMDIR, str(dir)),
        await wire.request(FXP.RENAME, str(dir), str(`${dir}-old`)),
        await wire.request(FXP.SETSTAT, str(dir), u32(4), u32(0)),
        await wire.request(FXP.MKDIR, str(`${dir}/more`), u32(0)),
      ]) {
        expect(refused(reply)).toBe(true);
      }
    }
    wire.close();
    expect(damage(before, photograph(sshd.paths.dir))).toEqual([]);
  });

  test("a file that is being written is closed to everybody else, and to its maker afterwards", async () => {
    const [maker, other] = [await open(), await open()];
    const name = `index/${"ef".repeat(32)}`;
    const handle = await maker.open(name, OPEN_FLAGS.WRITE | OPEN_FLAGS.CREAT, 0o4777);
    expect(Buffer.isBuffer(handle)).toBe(true);
    expect(refused(await other.open(name, OPEN_FLAGS.WRITE))).toBe(true);
    expect(refused(await maker.request(FXP.FSETSTAT, str(handle as Buffer), u32(4), u32(0o666)))).toBe(true);
    await maker.request(FXP.CLOSE, str(handle as Buffer));
    expect(refused(await maker.open(name, OPEN_FLAGS.WRITE))).toBe(true);
    for (const wire of [maker, other]) wire.close();
    // setuid passes a umask: harmless only because nobody else can come to the repository at all.
    expect(lstatSync(repo).mode & 0o777).toBe(0o700);
  });

  test("nothing outside the repository is read, written or named", async () => {
    const before = photograph(sshd.paths.dir);
    const files = sshdFiles(sshd.paths);
    const outside = [
      "/etc/shadow",
      "/etc/hosts",
      "/proc/self/environ",
      "/sys/kernel/version",
      "/root/.bashrc",
      files.authorizedKeys,
      files.hostKey,
      "../ssh/authorized_keys",
      "../../../../../../etc/shadow",
      "/repo/../etc/shadow",
    ];
    const wire = await open();
    for (const path of outside) {
      expect(await wire.get(path)).toBeUndefined();
      expect(await wire.put(path, Buffer.from("x"))).toBe(false);
    }
    for (const path of ["/x", "/etc/x", "/dev/x", "/dev/shm/x", "/tmp/x", "/usr/x", "/proc/x"])
      expect(await wire.put(path, Buffer.from("x"))).toBe(false);
    expect((await wire.get("/etc/passwd"))?.toString().trim().split("\n")).toHaveLength(1);
    wire.close();
    expect(damage(before, photograph(sshd.paths.dir))).toEqual([]);
  });

  test("no command, shell, terminal, other subsystem or forward", async () => {
    const mark = "PWNED-7";
    for (const extra of [
      sshd.ssh(keys.append, [], ["echo", mark]),
      sshd.ssh(keys.append, ["-tt"], ["echo", mark]),
      sshd.ssh(keys.append, ["-s"], ["netconf"]),
      sshd.ssh(keys.append, ["-o", "SendEnv=PATH"], [`sh -c 'echo ${mark}'`]),
    ]) {
      const result = await sshd.run(extra);
      expect(result.stdout).not.toContain(mark);
    }
    const port = String(sshd.ports.https);
    const direct = await sshd.run(sshd.ssh(keys.append, ["-W", `127.0.0.1:${port}`]));
    expect(direct.code).not.toBe(0);
    const reverse = await sshd.run(
      sshd.ssh(keys.append, ["-N", "-o", "ExitOnForwardFailure=yes", "-R", "127.0.0.1:0:127.0.0.1:1"]),
    );
    expect(reverse.stderr).toContain("remote port forwarding failed");
  });

  test("a key lent for reading adds nothing", async () => {
    const wire = await open("read");
    expect((await wire.get("config"))?.toString()).toBe("content of config");
    expect(await wire.put("junk", Buffer.from("x"))).toBe(false);
    wire.close();
  });
});

describe("the probe, through the real sshd", () => {
  /** With the script changed, and a key that leads to it. */
  const probed = async (change: (script: string) => string, timeoutMs?: number) => {
    const files = await prepareJail(sshd.paths, sshd.user);
    const script = join(sshd.dir, "changed-jail");
    writeFileSync(script, change(readFileSync(files.script, "utf8")));
    chmodSync(script, 0o755);
    await execOk(["chown", "-R", `${sshd.user}:`, sshd.paths.ssh]);
    const scratch = join(sshd.dir, "scratch");
    const pair = generateKeyPair();
    const key = join(sshd.dir, "probe");
    writeFileSync(key, encodePrivateKey(pair), { mode: 0o600 });
    appendFileSync(
      sshdFiles(sshd.paths).authorizedKeys,
      renderAuthorizedKeys([], [], {} as never, [
        {
          host_id: "probe",
          public_key: pair.publicLine,
          command: jailCommand({ ...files, script }, scratch),
        },
      ]),
    );
    const open = async () => {
      // In life the hub and its sshd are one user.
      await execOk(["chown", "-R", `${sshd.user}:`, scratch]);
      return await SftpWire.open(sshd.ssh(key, ["-T"]), timeoutMs);
    };
    try {
      await probeJail(open, scratch);
      return "holds";
    } catch (error) {
      const { code, why } = toProblem(error);
      return `${code}: ${why}`;
    } finally {
      expect(existsSync(scratch)).toBe(false);
    }
  };
  test("finds a jail that holds", async () => {
    expect(await probed((script) => script)).toBe("holds");
  });
  test("no bwrap, no namespace: says so", async () => {
    const none = await probed((script) => script.replace("exec bwrap", "exec /nowhere/bwrap"));
    expect(none).toStartWith("backup.no-jail");
    expect(none).toContain("/nowhere/bwrap");
    expect(await probed((script) => script.replace("exec bwrap", "exec unshare --bogus"))).toStartWith(
      "backup.no-jail",
    );
  });
  test("one that lets files be removed is none", async () => {
    expect(await probed((script) => script.replace("-p open,", "-p remove,open,"))).toContain(
      "a file is removed",
    );
  });
  test("one that shows this machine's files is none", async () => {
    expect(
      await probed((script) => script.replace("--remount-ro /", "--ro-bind /tmp /tmp --remount-ro /")),
    ).toContain("does not hold: this machine's files are read");
  });
  test("one that keeps silent is not called broken", async () => {
    expect(await probed((script) => script.replace("exec bwrap", "exec sleep 30 #"), 3_000)).toBe(
      "backup.jail-untried: nothing within 3 s",
    );
  });
  test("where no sshd answers, nothing is said of the jail", async () => {
    const away = sshd.ssh(keys.append, ["-T"]).map((word) => (word === String(sshd.port) ? "1" : word));
    const error = await probeJail(() => SftpWire.open(away), join(sshd.dir, "scratch")).catch(toProblem);
    expect(error).toMatchObject({ code: "backup.jail-untried" });
  });
});
