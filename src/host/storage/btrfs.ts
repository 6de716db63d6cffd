/**
 * A pool: one btrfs file system, and in it per project
 *
 *   projects/<id>/meta/        root's records
 *   projects/<id>/data/        a subvolume with home, upper and work: what is snapshotted and backed up
 *   projects/<id>/snapshots/   what the project sees as ~/.snapshots: <time> → .all/<time>/home
 *
 * Each project has a quota group of its own above its subvolume (`1/<n>`): subvolumes that it makes itself are put
 * into that group by the kernel, so that they are no way around the limit.
 */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import {
  type PoolFacts,
  type SnapshotKind,
  snapshotKindSchema,
  snapshotNameSchema,
  type Usage,
} from "../../contract/storage.ts";
import { CodedError } from "../../core/errors.ts";
import { exec, execOk } from "../../core/exec.ts";
import { isUuid } from "../../core/ids.ts";
import { readStateFile, writeStateFile } from "../../core/state-file.ts";
import { bytesHeld, createSubvolume, joinGroup, withFd, withFdAsync } from "./btrfs-ioctl.ts";
import { type Space, type Storage, type StoredSnapshot, unknownProject } from "./storage.ts";
import { allNested, btrfs, deleteTree, lastChange, snapshotTree, subvolumeAt } from "./subvolumes.ts";

/** `meta/space.json` */
const recordSchema = z.object({
  /** Its quota group is `1/<group>`. */
  group: z.number().int(),
  quota_bytes: z.number().nullable(),
  snapshots: z.record(z.string(), z.object({ kind: snapshotKindSchema, left_out: z.array(z.string()) })),
});
type SpaceRecord = z.infer<typeof recordSchema>;

export interface BtrfsOptions {
  /** Where it is mounted. */
  pool: string;
  uuid: string;
  counted: "simple" | "polled";
  /** Throws unless a path below the root can be trusted. */
  check: (path: string) => string;
  /** Throws `storage.not-mounted` or `storage.wrong-uuid`. */
  ready: () => void;
  /** What is known of the pool beyond the file system itself. */
  facts: () => Promise<Pick<PoolFacts, "mode" | "backing" | "watermark" | "note">>;
  now?: () => Date;
}

export class BtrfsStorage implements Storage {
  readonly kind = "btrfs";
  readonly #o: BtrfsOptions;
  /** Live bytes by project, good for as long as nothing changes. */
  readonly #live = new Map<string, { at: bigint; bytes: number; all: number }>();

  constructor(options: BtrfsOptions) {
    this.#o = options;
  }

  ids(): string[] {
    try {
      return readdirSync(join(this.#o.pool, "projects")).filter(isUuid);
    } catch {
      return []; // not mounted: ready() says so to whoever wants to use it
    }
  }

  has(id: string): boolean {
    return existsSync(this.#o.check(this.space(id).dir));
  }

  space(id: string): Space {
    const dir = join(this.#o.pool, "projects", id);
    const data = join(dir, "data");
    return {
      dir,
      meta: join(dir, "meta"),
      data,
      home: join(data, "home"),
      upper: join(data, "upper"),
      work: join(data, "work"),
      snapshots: join(dir, "snapshots"),
    };
  }

  /**
   * A project that has neither a limit nor snapshots yet has no file: its group is numbered as its subvolume is. Two
   * fsyncs, each a transaction of its own, were most of what making one cost. From its first limit, snapshot or
   * restore on there is one, before anything else is changed.
   */
  #record(id: string): SpaceRecord | undefined {
    const { meta, data } = this.space(id);
    const kept = readStateFile(join(meta, "space.json"), (value) => recordSchema.parse(value));
    if (kept !== undefined || !existsSync(data)) return kept;
    return { group: Number(subvolumeAt(data).id), quota_bytes: null, snapshots: {} };
  }

  #save(id: string, record: SpaceRecord): void {
    writeStateFile(join(this.space(id).meta, "space.json"), record);
  }

  #known(id: string): SpaceRecord {
    this.#o.ready();
    const record = this.has(id) ? this.#record(id) : undefined;
    if (record === undefined) throw unknownProject(id);
    return record;
  }

  async create(id: string): Promise<Space> {
    this.#o.ready();
    const space = this.space(id);
    mkdirSync(this.#o.check(space.dir), { recursive: true, mode: 0o711 });
    chmodSync(space.dir, 0o711);
    mkdirSync(space.meta, { recursive: true, mode: 0o700 });
    mkdirSync(join(space.dir, "snapshots/.all"), { recursive: true, mode: 0o755 });
    const replaced = join(space.dir, "replaced");
    // A restore that was cut off between its two renames.
    if (!existsSync(space.data) && existsSync(replaced)) renameSync(replaced, space.data);
    if (!existsSync(space.data)) {
      withFd(space.dir, (dir) => createSubvolume(dir, "data"));
      chmodSync(space.data, 0o711);
    }
    if (!existsSync(join(space.meta, "space.json"))) {
      const own = Number(subvolumeAt(space.data).id);
      this.#join(own, own);
    }
    return space;
  }

  /** Puts a subvolume into a project's quota group, making that first. Done again it is harmless. */
  #join(subvolume: number, group: number): void {
    if (this.#o.counted === "simple") withFd(this.#o.pool, (pool) => joinGroup(pool, subvolume, group));
  }

  async remove(id: string): Promise<boolean> {
    this.#o.ready();
    const { dir, data, snapshots } = this.space(id);
    if (!this.has(id)) return false;
    const record = this.#record(id);
    const all = join(snapshots ?? dir, ".all");
    const names = existsSync(all) ? readdirSync(all).map((name) => join(all, name)) : [];
    for (const path of [...names, data, join(dir, "replaced"), join(dir, "restoring")]) {
      if (existsSync(path)) await deleteTree(this.#o.pool, path);
    }
    await execOk(["rm", "-rf", "--one-file-system", dir]);
    this.#live.delete(id);
    // Refused while the kernel still frees what was in it; an empty group costs nothing.
    if (record !== undefined && this.#o.counted === "simple")
      await exec(["btrfs", "qgroup", "destroy", `1/${record.group}`, this.#o.pool]);
    return true;
  }

  /** Its time to the second; a second one within that second waits for the next. */
  async #freeName(all: string): Promise<string> {
    for (;;) {
      const now = (this.#o.now ?? (() => new Date()))();
      const name = now.toISOString().replace(/\.\d+Z$/, "Z");
      if (!existsSync(join(all, name))) return name;
      await Bun.sleep(1000 - (now.getTime() % 1000));
    }
  }

  async snapshot(id: string, kind: SnapshotKind, onlyIfChanged = false): Promise<StoredSnapshot | undefined> {
    const record = this.#known(id);
    const { data, snapshots = "" } = this.space(id);
    const all = join(snapshots, ".all");
    await this.#sweep(all);
    if (onlyIfChanged) {
      // Since any of them, by the file system's own count: names are times, and clocks jump.
      const changed = await lastChange(data);
      if (this.snapshots(id).some((one) => changed <= subvolumeAt(one.path).made_at)) return undefined;
    }
    const name = await this.#freeName(all);
    const path = join(all, name);
    const left_out = (await snapshotTree(data, path, false)).slice(0, 100);
    record.snapshots[name] = { kind, left_out };
    this.#save(id, record);
    symlinkSync(`.all/${name}/home`, join(snapshots, name));
    return { name, kind, left_out, path };
  }

  /** A writable one was cut off while it was made. */
  async #sweep(all: string): Promise<void> {
    for (const name of readdirSync(all)) {
      const path = join(all, name);
      if (lstatSync(path).isDirectory() && !subvolumeAt(path).readonly) await deleteTree(this.#o.pool, path);
    }
  }

  snapshots(id: string): StoredSnapshot[] {
    const record = this.#known(id);
    const all = join(this.space(id).snapshots ?? "", ".all");
    return readdirSync(all)
      .filter((name) => snapshotNameSchema.safeParse(name).success)
      .sort()
      .map((name) => {
        // One without a record was made just before a crash: kept as if a person had made it.
        const { kind, left_out } = record.snapshots[name] ?? { kind: "manual" as const, left_out: [] };
        return { name, kind, left_out, path: join(all, name) };
      });
  }

  async removeSnapshot(id: string, name: string): Promise<boolean> {
    const record = this.#known(id);
    const { snapshots = "" } = this.space(id);
    const path = this.#o.check(join(snapshots, ".all", name));
    if (!existsSync(path)) return false;
    await deleteTree(this.#o.pool, path);
    try {
      unlinkSync(join(snapshots, name));
    } catch {
      // a crash came between the snapshot and its link
    }
    delete record.snapshots[name];
    this.#save(id, record);
    return true;
  }

  async setQuota(id: string, bytes: number | null): Promise<void> {
    const record = this.#known(id);
    if (this.#o.counted === "simple")
      await btrfs(
        "qgroup",
        "limit",
        bytes === null ? "none" : String(bytes),
        `1/${record.group}`,
        this.#o.pool,
      );
    // At each start it is what it was.
    if (bytes !== record.quota_bytes) this.#save(id, { ...record, quota_bytes: bytes });
  }

  async usage(id: string): Promise<Usage> {
    const record = this.#known(id);
    const { live, all } = await this.#count(id);
    const used = this.#o.counted === "simple" ? this.#charged(record.group) : all;
    return {
      quota_bytes: record.quota_bytes,
      used_bytes: used,
      live_bytes: Math.min(live, used),
      held_bytes: Math.max(0, used - live),
      counted: this.#o.counted,
      measured_at: new Date().toISOString(),
    };
  }

  /** What the kernel charges the group with. */
  #charged(group: number): number {
    return Number(readFileSync(`/sys/fs/btrfs/${this.#o.uuid}/qgroups/1_${group}/referenced`, "utf8"));
  }

  async #count(id: string): Promise<{ live: number; all: number }> {
    const { data } = this.space(id);
    const shots = this.snapshots(id);
    // Removing a snapshot changes what all hold, and no generation.
    const at = (await lastChange(data)) * 100_000n + BigInt(shots.length);
    const known = this.#live.get(id);
    if (known?.at === at) return { live: known.bytes, all: known.all };
    const own = subvolumeAt(data).id;
    const counted = await withFdAsync(this.#o.pool, async (fd) => {
      const trees = [own, ...(await allNested(fd, own))];
      const bytes = await bytesHeld(fd, trees);
      if (this.#o.counted === "simple") return { bytes, all: bytes };
      return {
        bytes,
        all: await bytesHeld(fd, [...trees, ...shots.map(({ path }) => subvolumeAt(path).id)]),
      };
    });
    this.#live.set(id, { at, ...counted });
    return { live: counted.bytes, all: counted.all };
  }

  #staging(id: string): string {
    return this.#o.check(join(this.space(id).dir, "restoring"));
  }

  async stage(id: string): Promise<string> {
    await this.create(id);
    const path = this.#staging(id);
    if (existsSync(path)) await deleteTree(this.#o.pool, path);
    await btrfs("subvolume", "create", path);
    chmodSync(path, 0o711);
    return path;
  }

  async promote(id: string): Promise<Space> {
    const record = this.#known(id);
    const space = this.space(id);
    const staged = this.#staging(id);
    this.#join(Number(subvolumeAt(staged).id), record.group);
    await this.snapshot(id, "safety");
    const replaced = join(space.dir, "replaced");
    if (existsSync(replaced)) await deleteTree(this.#o.pool, replaced);
    renameSync(space.data, replaced);
    renameSync(staged, space.data);
    await deleteTree(this.#o.pool, replaced);
    return space;
  }

  async restore(id: string, name: string): Promise<void> {
    this.#known(id);
    const wanted = this.snapshots(id).find((one) => one.name === name);
    if (wanted === undefined) {
      throw new CodedError({
        code: "storage.unknown-snapshot",
        title: `There is no snapshot ${name} of this project`,
        status: 404,
      });
    }
    const path = this.#staging(id);
    if (existsSync(path)) await deleteTree(this.#o.pool, path);
    await snapshotTree(wanted.path, path, true);
    await this.promote(id);
  }

  async facts(): Promise<PoolFacts> {
    this.#o.ready();
    const fs = await statfs(this.#o.pool);
    return {
      kind: "btrfs",
      uuid: this.#o.uuid,
      total_bytes: fs.blocks * fs.bsize,
      free_bytes: fs.bavail * fs.bsize,
      snapshots: true,
      counted: this.#o.counted,
      ...(await this.#o.facts()),
    };
  }
}
