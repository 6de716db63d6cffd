/**
 * Bad days of backups, on real parts: a hub with two hosts, each with a repository of its own. Disks fill up, bytes rot,
 * a host is taken over, or thrown out. After each: nothing that was proven is lost, what is shown is true, and the next
 * run is whole.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Project } from "../../src/contract/api.ts";
import { exec, execOk } from "../../src/core/exec.ts";
import { hostPaths } from "../../src/core/paths.ts";
import { FXP, SftpWire, str } from "../../src/core/sftp-wire.ts";
import type { BackupLab } from "../fixtures/backup-lab.ts";
import { until } from "../fixtures/running-hub.ts";
import { RUSTIC, whyNoBackups } from "../fixtures/rustic.ts";
import type { SecondHost } from "../fixtures/second-host.ts";
import { openTwoHosts, type TwoHostsLab } from "../fixtures/two-hosts-lab.ts";

const SLOW = 180_000;
const WHY = whyNoBackups();
if (WHY !== undefined) console.error(`SKIPPED: bad days of backups: ${WHY}`);

describe.skipIf(WHY !== undefined)("bad days of backups", () => {
  let two: TwoHostsLab;
  let lab: BackupLab;
  let second: SecondHost;
  /** On the hub's own machine, and on the other host. */
  let near: Project;
  let far: Project;
  let show: TwoHostsLab["show"];
  let list: TwoHostsLab["list"];
  let proven: TwoHostsLab["proven"];
  let nearRepository: string;
  let farRepository: string;
  const ids = () => two.ids;
  const mount = mkdtempSync(join(tmpdir(), "cc-small-disk-"));
  const image = `${mount}.img`;

  beforeAll(async () => {
    await execOk(["truncate", "-s", "240M", image]);
    await execOk(["mkfs.ext4", "-q", "-m", "0", image], { timeout: 60_000 });
    await execOk(["mount", "-o", "loop", image, mount]);
    chmodSync(mount, 0o755);
    await execOk(["install", "-d", "-m", "0700", "-o", "cocalc", join(mount, "repo")]);
    two = await openTwoHosts(join(mount, "repo"));
    ({ lab, second, near, far, show, list, proven, nearRepository, farRepository } = two);
  }, SLOW);
  afterAll(async () => {
    await two?.remove();
    await exec(["umount", "-l", mount]);
    rmSync(mount, { recursive: true, force: true });
    rmSync(image, { force: true });
  }, SLOW);

  // ---- each host has a repository of its own ----

  /** A host's key as whoever took that machine over has it. */
  const wireOf = (dataDir: string, kind: "backup" | "restore") => {
    const key = join(hostPaths(dataDir).ssh, `${kind}_ed25519`);
    return SftpWire.open(
      [
        ...["ssh", "-F", "none", "-i", key, "-p", String(lab.hub.basePort + 1)],
        ...["-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"],
        ...["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"],
        ...["-s", "cocalc@127.0.0.1", "sftp"],
      ],
      20_000,
    );
  };
  const passwordOf = async (id: string) => {
    const sheet = (await lab.hub.cli("backup", "recovery-sheet")).stdout;
    return new RegExp(`Repository ${id}\\n.*\\n {2}password {2}(\\S+)`).exec(sheet)?.[1] ?? "";
  };

  test(
    "a host that was taken over comes to its own repository alone: not to another's files, nor with its password",
    async () => {
      const [nearId, farId] = [ids().near, ids().far];
      const secret = readFileSync(join(nearRepository, "config"));
      const wire = await wireOf(second.dataDir, "backup");
      expect((await wire.get("config"))?.equals(readFileSync(join(farRepository, "config")))).toBe(true);
      for (const path of [
        join(nearRepository, "config"),
        `../${nearId}/config`,
        `/repo/../${nearId}/config`,
        `../../launchpad/backup-repo/${nearId}/config`,
      ]) {
        const got = await wire.get(path);
        // At most it is led back to what is its own.
        expect(got === undefined || !got.equals(secret)).toBe(true);
        expect(await wire.put(path, Buffer.from("x"))).toBe(false);
      }
      expect((await wire.request(FXP.OPENDIR, str(nearRepository))).status).not.toBe(0);
      wire.close();
      // Nothing is lent to it now.
      const lent = await wireOf(second.dataDir, "restore").then(
        () => "open",
        () => "closed",
      );
      expect(lent).toBe("closed");
      expect(await passwordOf(farId)).not.toBe(await passwordOf(nearId));
      const opened = await exec(
        [RUSTIC, "-r", nearRepository, "--password", await passwordOf(farId), "--no-cache", "snapshots"],
        { env: { HOME: "/tmp" } },
      );
      expect(opened.code).not.toBe(0);
      expect(readFileSync(join(nearRepository, "config")).equals(secret)).toBe(true);
    },
    SLOW,
  );

  test(
    "a move reads from the other's repository while it lasts, and goes on in its own; what was lent is closed",
    async () => {
      const moved = await lab.hub.cli("project", "move", near.project_id, "--to", second.host.name);
      expect(moved.stderr).toBe("");
      expect(await lab.sh(await show(near), "cat round")).toBe("0\n");
      const before = readdirSync(join(farRepository, "snapshots")).length;
      expect(await proven(near)).toMatchObject({ host_id: ids().far });
      expect(readdirSync(join(farRepository, "snapshots")).length).toBe(before + 1);
      await expect(wireOf(second.dataDir, "restore")).rejects.toThrow();
      // Its older backups are restored from where they are.
      const [oldest] = (await list(near)).filter((one) => one.state === "proven").slice(-1);
      const got = await lab.hub.cli("backup", "get", near.project_id, oldest?.backup_id ?? "", "round");
      expect(got.stdout).toBe("0\n");
      expect((await lab.hub.cli("project", "move", near.project_id, "--to", lab.host.name)).stderr).toBe("");
    },
    SLOW,
  );

  // ---- rot ----

  const largest = (dir: string) =>
    readdirSync(dir, { recursive: true })
      .map((name) => join(dir, String(name)))
      .filter((path) => statSync(path).isFile())
      .sort((a, b) => statSync(b).size - statSync(a).size)[0] ?? "";

  test(
    "a flipped bit in a pack: found by reading back, told, and the next backup is whole again",
    async () => {
      const repository = farRepository;
      const pack = largest(join(repository, "data"));
      chmodSync(pack, 0o644);
      const fd = openSync(pack, "r+");
      const byte = readFileSync(pack)[5_000] ?? 0;
      writeSync(fd, Buffer.from([byte ^ 1]), 0, 1, 5_000);
      closeSync(fd);
      const verified = await lab.hub.cli("backup", "verify");
      expect(verified.stderr).toContain("backup.data-damaged");
      expect(existsSync(pack)).toBe(false);
      expect(
        (await list(far)).filter((one) => one.problem?.code === "backup.data-lost").length,
      ).toBeGreaterThan(0);
      expect((await lab.overview()).alarms.map((one) => one.code)).toContain("backup.quarantined");
      expect((await lab.backup(far)).state).toBe("proven");
      expect((await lab.hub.cli("backup", "drill", "far")).stderr).toBe("");
      expect((await lab.hub.cli("backup", "verify")).stderr).toBe("");
    },
    SLOW,
  );

  test(
    "a snapshot and an index that were good are cut short: put aside, what relied on them says so, the next is whole",
    async () => {
      const [newest] = (await list(far)).filter((one) => one.state === "proven");
      const file = join(farRepository, "snapshots", newest?.snapshot_id ?? "");
      chmodSync(file, 0o644);
      truncateSync(file, 20);
      // A disk that rots changes no times; one that was just written is left alone.
      await exec(["touch", "-d", "1 hour ago", file]);
      expect((await lab.hub.cli("backup", "prune")).stderr).toBe("");
      expect((await list(far)).find((one) => one.backup_id === newest?.backup_id)).toMatchObject({
        state: "failed",
        problem: { code: "backup.snapshot-damaged" },
      });
      expect((await lab.backup(far)).state).toBe("proven");
      const index = largest(join(farRepository, "index"));
      chmodSync(index, 0o644);
      truncateSync(index, 20);
      await exec(["touch", "-d", "1 hour ago", index]);
      expect((await lab.backup(far)).state).toBe("failed");
      expect((await lab.hub.cli("backup", "verify")).stderr).toBe("");
      expect((await lab.backup(far)).state).toBe("proven");
      expect((await lab.hub.cli("backup", "drill", "far")).stderr).toBe("");
    },
    SLOW,
  );

  test(
    "the repository's disk is full: it fails within seconds and says so; with room again the next is proven",
    async () => {
      const [blocks = 0, size = 0] = (await execOk(["stat", "-f", "-c", "%a %S", mount]))
        .split(" ")
        .map(Number);
      const free = blocks * size;
      // Above the mark where none would begin, by less than it needs.
      const filler = join(mount, "filler");
      await execOk(["fallocate", "-l", String(Math.max(4096, free - 100 * 2 ** 20)), filler]);
      try {
        await lab.sh(far, "head -c 130000000 /dev/urandom > d/huge");
        const failed = await lab.backup(far);
        expect([failed.state, failed.problem?.code]).toEqual(["failed", "backup.repository-full"]);
        // Packs that came to nothing are still there: below the mark nothing even begins.
        const refused = await lab.backup(far).catch((error: unknown) => String(error));
        expect(typeof refused === "string" ? refused : refused.problem?.code).toContain("backup.no-room");
      } finally {
        rmSync(filler);
      }
      await lab.sh(far, "rm d/huge && head -c 5000000 /dev/urandom > d/more");
      expect((await lab.backup(far)).state).toBe("proven");
    },
    SLOW,
  );

  test("a host is thrown out half-way: its backup fails with the cause, its project comes back on the other host", async () => {
    await lab.sh(far, "echo safe > round");
    await proven(far);
    await lab.sh(far, "head -c 20000000 /dev/urandom > d/unsaved");
    const operation = await lab.begin(far);
    await until("it reads", async () => two.running("rustic").length > 0, 30_000).catch(() => undefined);
    await lab.hub.json("host", "revoke", second.host.name);
    const ended = await lab.ended(operation, 170_000);
    const made = (await list(far)).find((one) => one.backup_id === operation.operation_id);
    expect(["proven", "failed"]).toContain(made?.state ?? "");
    if (ended.state !== "done") expect(ended.problem?.title).toBeTruthy();
    const moved = await lab.hub.cli(
      ...["project", "move", far.project_id, "--to", lab.host.name, "--from-backup"],
    );
    expect(moved.stderr).toBe("");
    await lab.hub.json("project", "start", far.project_id);
    expect(await lab.sh(await show(far), "cat round")).toBe("safe\n");
    expect((await lab.backup(far)).host_id).toBe(ids().near);
  }, 400_000);
});
