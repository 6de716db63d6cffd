/**
 * The storage of a host: its pool where it has one, and plain directories for projects from before the pool, or for all
 * where there is none. A project stays where it is.
 */
import { join } from "node:path";
import type { PoolFacts, SnapshotKind, Usage } from "../../contract/storage.ts";
import type { Privilege } from "../helper/privilege.ts";
import { BtrfsStorage } from "./btrfs.ts";
import { DirectoryStorage } from "./directory.ts";
import { assertMounted, type PoolPlaces, poolPlaces, readPoolRecord } from "./pool-record.ts";
import type { Space, Storage, StoredSnapshot } from "./storage.ts";
import type { BackingWatch } from "./watch.ts";

const NOTES = {
  rootless: "No root was given: projects are in plain directories, without quotas and snapshots.",
  none: "This host keeps projects in plain directories, without quotas and snapshots; `cocalc-project-host storage plan` says what a pool takes.",
};

export class HostStorage implements Storage {
  readonly #places: PoolPlaces;
  readonly #directories: DirectoryStorage;
  readonly #privilege: () => Privilege;
  readonly #check: (path: string) => string;
  readonly #watch: BackingWatch;
  #pool: { uuid: string; counted: string; storage: BtrfsStorage } | undefined;

  constructor(options: {
    storage: string;
    check: (path: string) => string;
    privilege: () => Privilege;
    root: boolean;
    watch: BackingWatch;
  }) {
    this.#places = poolPlaces(options.storage);
    this.#privilege = options.privilege;
    this.#check = options.check;
    this.#watch = options.watch;
    this.#directories = new DirectoryStorage({
      root: join(options.storage, "projects"),
      check: options.check,
      privilege: this.#privilege,
      note: options.root ? NOTES.none : NOTES.rootless,
    });
  }

  /** Read anew each time: a pool may be made, mounted or lost while we run. */
  #btrfs(): BtrfsStorage | undefined {
    const record = readPoolRecord(this.#places);
    if (record === undefined || record.counted === "unknown") return undefined;
    if (this.#pool?.uuid === record.uuid && this.#pool.counted === record.counted) return this.#pool.storage;
    const { uuid, counted } = record;
    const places = this.#places;
    const storage = new BtrfsStorage({
      pool: places.pool,
      uuid,
      counted,
      check: this.#check,
      ready: () => assertMounted(places, record),
      facts: () => this.#watch.facts(),
    });
    this.#pool = { uuid, counted, storage };
    return storage;
  }

  #of(id: string): Storage {
    if (this.#directories.has(id)) return this.#directories;
    return this.#btrfs() ?? this.#directories;
  }

  get kind(): "directory" | "btrfs" {
    return this.#btrfs() === undefined ? "directory" : "btrfs";
  }

  ids(): string[] {
    return [...new Set([...this.#directories.ids(), ...(this.#btrfs()?.ids() ?? [])])];
  }
  has(id: string): boolean {
    return this.#of(id).has(id);
  }
  space(id: string): Space {
    return this.#of(id).space(id);
  }
  create(id: string): Promise<Space> {
    return this.#of(id).create(id);
  }
  remove(id: string): Promise<boolean> {
    return this.#of(id).remove(id);
  }
  snapshot(id: string, kind: SnapshotKind, onlyIfChanged?: boolean): Promise<StoredSnapshot | undefined> {
    return this.#of(id).snapshot(id, kind, onlyIfChanged);
  }
  snapshots(id: string): StoredSnapshot[] {
    return this.#of(id).snapshots(id);
  }
  removeSnapshot(id: string, name: string): Promise<boolean> {
    return this.#of(id).removeSnapshot(id, name);
  }
  setQuota(id: string, bytes: number | null): Promise<void> {
    return this.#of(id).setQuota(id, bytes);
  }
  usage(id: string): Promise<Usage> {
    return this.#of(id).usage(id);
  }
  stage(id: string): Promise<string> {
    return this.#of(id).stage(id);
  }
  promote(id: string): Promise<Space> {
    return this.#of(id).promote(id);
  }
  restore(id: string, name: string): Promise<void> {
    return this.#of(id).restore(id, name);
  }
  facts(): Promise<PoolFacts> {
    return (this.#btrfs() ?? this.#directories).facts();
  }
}
