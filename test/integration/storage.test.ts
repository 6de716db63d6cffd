/** A pool on a real loop device: spaces, snapshots, quotas, usage, restore. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CodedError } from "../../src/core/errors.ts";
import { exec } from "../../src/core/exec.ts";
import { judgeDisk } from "../../src/host/usage/disk-limit.ts";
import {
  commit,
  hasSimpleQuotas,
  type PoolLab,
  sh,
  shFails,
  startPoolLab,
  whyNoPool,
} from "../fixtures/storage-lab.ts";

const why = whyNoPool();
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => "none",
    (error: CodedError) => error.code,
  );

describe.skipIf(why !== undefined)(`a pool${why ? ` (skipped: ${why})` : ""}`, () => {
  let lab: PoolLab;
  const make = async () => {
    const id = randomUUID();
    const space = await lab.storage.create(id);
    mkdirSync(space.home);
    mkdirSync(space.upper);
    return { id, space };
  };
  beforeAll(async () => {
    lab = await startPoolLab();
  }, 60_000);
  afterAll(async () => await lab?.stop(), 60_000);

  test("is mounted as it should be, its mount point immutable underneath", async () => {
    const line = readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .find((one) => one.includes(lab.places.pool));
    expect(line).toContain("noatime");
    expect(line).toContain("compress=zstd:1");
    expect(line).toContain("discard=async");
    const { stdout } = await exec([
      "losetup",
      "--associated",
      lab.places.image,
      "--noheadings",
      "--output",
      "DIO,AUTOCLEAR",
    ]);
    expect(stdout.trim().split(/\s+/)).toEqual(["1", "1"]);
    // Seen without the mount, from a mount namespace of its own.
    const inside = `umount --lazy ${lab.places.pool} && touch ${lab.places.pool}/x`;
    const { stderr } = await exec(["unshare", "--mount", "--propagation", "private", "sh", "-c", inside]);
    expect(stderr).toContain("Operation not permitted");
    const facts = await lab.storage.facts();
    expect(facts.counted).toBe(hasSimpleQuotas() ? "simple" : "polled");
    expect(facts.snapshots).toBe(true);
  });

  test("a snapshot is read-only, shows as ~/.snapshots/<time>, and is taken only if something changed", async () => {
    const { id, space } = await make();
    writeFileSync(join(space.home, "note"), "first");
    const first = await lab.storage.snapshot(id, "manual");
    writeFileSync(join(space.home, "note"), "second");
    expect(readFileSync(join(space.snapshots ?? "", first?.name ?? "", "note"), "utf8")).toBe("first");
    expect(await shFails(space.dir, `touch snapshots/${first?.name}/x`)).toContain("Read-only");
    await commit(lab.places);
    const second = await lab.storage.snapshot(id, "schedule", true);
    expect(second?.kind).toBe("schedule");
    expect(await lab.storage.snapshot(id, "schedule", true)).toBeUndefined();
    // Reading is no change.
    await sh(space.home, "cat note; ls -laR . ../../snapshots/ >/dev/null");
    expect(await lab.storage.snapshot(id, "schedule", true)).toBeUndefined();
    expect(lab.storage.snapshots(id).map(({ kind }) => kind)).toEqual(["manual", "schedule"]);
    expect(await lab.storage.removeSnapshot(id, first?.name ?? "")).toBe(true);
    expect(await lab.storage.removeSnapshot(id, first?.name ?? "")).toBe(false);
    expect(readdirSync(space.snapshots ?? "").filter((name) => !name.startsWith("."))).toEqual([
      second?.name ?? "",
    ]);
  }, 30_000);

  test("what was deleted stays charged while a snapshot holds it: three numbers", async () => {
    const { id, space } = await make();
    await sh(space.home, "head -c 30M /dev/urandom >big; head -c 5M /dev/urandom >small");
    const shot = await lab.storage.snapshot(id, "manual");
    await sh(space.home, "rm big");
    await commit(lab.places);
    const held = await lab.storage.usage(id);
    const MB = 2 ** 20;
    expect(held.live_bytes / MB).toBeCloseTo(5, 0);
    expect(held.used_bytes / MB).toBeGreaterThan(34.9);
    expect(held.held_bytes / MB).toBeGreaterThan(29.9);
    await lab.storage.removeSnapshot(id, shot?.name ?? "");
    // The kernel frees what only the snapshot had in the background.
    for (let tries = 0; tries < 50 && (await lab.storage.usage(id)).used_bytes > 6 * MB; tries++) {
      await commit(lab.places);
      await Bun.sleep(200);
    }
    const after = await lab.storage.usage(id);
    expect(after.used_bytes / MB).toBeLessThan(6);
    expect(after.held_bytes / MB).toBeLessThan(1);
  }, 60_000);

  test.skipIf(!hasSimpleQuotas())(
    "a quota that is reached is EDQUOT for that project alone; subvolumes are no way around",
    async () => {
      const { id, space } = await make();
      const other = await make();
      await lab.storage.setQuota(id, 20 * 2 ** 20);
      expect(await shFails(space.home, "head -c 40M /dev/urandom >big && sync big")).toContain("quota");
      await sh(other.space.home, "head -c 40M /dev/urandom >big; sync big");
      await sh(space.home, "rm big");
      await commit(lab.places);
      await sh(space.home, "btrfs subvolume create mine");
      expect(await shFails(space.home, "head -c 40M /dev/urandom >mine/big && sync mine/big")).toContain(
        "quota",
      );
      const usage = await lab.storage.usage(id);
      expect(usage.quota_bytes).toBe(20 * 2 ** 20);
      expect(usage.used_bytes).toBeLessThanOrEqual(20 * 2 ** 20);
      await lab.storage.setQuota(id, null);
      await sh(space.home, "head -c 40M /dev/urandom >big; sync big");
      await lab.storage.remove(other.id);
    },
    60_000,
  );

  test("a project's own subvolumes are in the snapshot, whatever they are called, and go with the project", async () => {
    const { id, space } = await make();
    await sh(
      space.home,
      "mkdir -p a/b; btrfs subvolume create 'a/b/a; $(x) é'; btrfs subvolume create 'a/b/a; $(x) é/deep'; echo one >'a/b/a; $(x) é/deep/file'",
    );
    const shot = await lab.storage.snapshot(id, "manual");
    expect(shot?.left_out).toEqual([]);
    await sh(space.home, "echo two >'a/b/a; $(x) é/deep/file'");
    const inShot = join(shot?.path ?? "", "home/a/b/a; $(x) é/deep/file");
    expect(readFileSync(inShot, "utf8")).toBe("one\n");
    expect(await shFails("/", `touch '${inShot}'`)).toContain("Read-only");
    await commit(lab.places);
    expect(await lab.storage.snapshot(id, "schedule", true)).toBeDefined();
    await lab.storage.restore(id, shot?.name ?? "");
    expect(readFileSync(join(space.home, "a/b/a; $(x) é/deep/file"), "utf8")).toBe("one\n");
    expect(await lab.storage.remove(id)).toBe(true);
    expect(existsSync(space.dir)).toBe(false);
  }, 30_000);

  test("restoring all: as it was, and what was until now stays as a safety snapshot", async () => {
    const { id, space } = await make();
    await lab.storage.setQuota(id, 100 * 2 ** 20);
    await sh(space.home, "echo good >work; head -c 20M /dev/urandom >data; ln work link; ln -s work soft");
    const sum = await sh(space.home, "sha256sum data");
    const shot = await lab.storage.snapshot(id, "manual");
    await sh(space.home, "echo bad >work; rm data; echo new >added; echo prog >../upper/prog");
    await lab.storage.restore(id, shot?.name ?? "");
    expect(await sh(space.home, "cat work soft; stat -c %h work; ls")).toBe(
      "good\ngood\n2\ndata\nlink\nsoft\nwork",
    );
    expect(await sh(space.home, "sha256sum data")).toBe(sum);
    expect(existsSync(join(space.upper, "prog"))).toBe(false);
    const safety = lab.storage.snapshots(id).find((one) => one.kind === "safety");
    expect(readFileSync(join(safety?.path ?? "", "home/added"), "utf8")).toBe("new\n");
    await commit(lab.places);
    const usage = await lab.storage.usage(id);
    expect(usage.quota_bytes).toBe(100 * 2 ** 20);
    // The same 20 MB, not two times 20 MB.
    expect(usage.used_bytes / 2 ** 20).toBeLessThan(22);
    if (hasSimpleQuotas())
      expect(await shFails(space.home, "head -c 120M /dev/urandom >more && sync more")).toContain("quota");
  }, 60_000);

  test("what is not there: coded", async () => {
    const { id } = await make();
    expect(await codeOf(lab.storage.usage(randomUUID()))).toBe("storage.unknown-project");
    expect(await codeOf(lab.storage.restore(id, "2020-01-01T00:00:00Z"))).toBe("storage.unknown-snapshot");
    expect(await lab.storage.remove(randomUUID())).toBe(false);
  });

  test("a snapshot that was cut off while it was made is swept, not shown", async () => {
    const { id, space } = await make();
    await sh(space.dir, "btrfs subvolume snapshot data snapshots/.all/2020-01-01T00:00:00Z");
    await lab.storage.snapshot(id, "manual");
    expect(lab.storage.snapshots(id).map(({ name }) => name)).not.toContain("2020-01-01T00:00:00Z");
  });
});

describe.skipIf(why !== undefined)(`a pool without simple quotas${why ? ` (skipped: ${why})` : ""}`, () => {
  let lab: PoolLab;
  beforeAll(async () => {
    lab = await startPoolLab({ polled: true });
  }, 60_000);
  afterAll(async () => await lab?.stop(), 60_000);

  test("counts by reading its trees, keeps no limit, and says both", async () => {
    const { uuid, note, counted } = await lab.storage.facts();
    expect(existsSync(`/sys/fs/btrfs/${uuid}/qgroups`)).toBe(false);
    expect([counted, note?.includes("Linux 6.7")]).toEqual(["polled", true]);
    const id = randomUUID();
    const space = await lab.storage.create(id);
    mkdirSync(space.home);
    mkdirSync(space.upper);
    await lab.storage.setQuota(id, 20 * 2 ** 20);
    // Beyond it: nobody stops it, and it is seen.
    await sh(space.home, "head -c 30M /dev/urandom >big; head -c 5M /dev/urandom >small; sync big small");
    await commit(lab.places);
    const full = await lab.storage.usage(id);
    expect([full.counted, full.quota_bytes]).toEqual(["polled", 20 * 2 ** 20]);
    expect(full.used_bytes).toBeGreaterThan(34 * 2 ** 20);
    expect(judgeDisk(full)?.why).toContain("keeps no limit");
    // What two snapshots share counts once.
    await lab.storage.snapshot(id, "manual");
    await lab.storage.snapshot(id, "manual");
    await sh(space.home, "rm big");
    await commit(lab.places);
    const held = await lab.storage.usage(id);
    const mb = (bytes: number) => Math.round(bytes / 2 ** 20);
    expect([mb(held.live_bytes), mb(held.held_bytes), mb(held.used_bytes)]).toEqual([5, 30, 35]);
    await lab.storage.setQuota(id, null);
    expect(judgeDisk(await lab.storage.usage(id))).toBeNull();
  }, 60_000);
});
