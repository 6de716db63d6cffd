/** Projects in plain directories: where no root or no room for a pool is. No quotas and no snapshots. */
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import type { PoolFacts, Usage } from "../../contract/storage.ts";
import { isUuid } from "../../core/ids.ts";
import type { Privilege } from "../helper/privilege.ts";
import { noSnapshots, type Space, type Storage, unknownProject } from "./storage.ts";

/** `du` over a large home. */
const MEASURE_TIMEOUT_MS = 120_000;
/** Of a project: what a restore brought, compared and on its way to its place. */
const ARRIVING = "arriving";

/** `check` throws unless a path below the root can be trusted: see {@link HelperRoot}. */
export class DirectoryStorage implements Storage {
  readonly kind = "directory";
  readonly #root: string;
  readonly #check: (path: string) => string;
  readonly #privilege: () => Privilege;
  #note: string;

  /** `root` holds `<id>/{meta,home,upper,work}`. `note` says why it is not a pool. */
  constructor(options: {
    root: string;
    check: (path: string) => string;
    privilege: () => Privilege;
    note: string;
  }) {
    this.#root = options.root;
    this.#check = options.check;
    this.#privilege = options.privilege;
    this.#note = options.note;
  }

  ids(): string[] {
    return readdirSync(this.#root).filter(isUuid);
  }

  has(id: string): boolean {
    return existsSync(this.#check(this.space(id).dir));
  }

  space(id: string): Space {
    const dir = join(this.#root, id);
    return {
      dir,
      meta: join(dir, "meta"),
      data: dir,
      home: join(dir, "home"),
      upper: join(dir, "upper"),
      work: join(dir, "work"),
      snapshots: undefined,
    };
  }

  async create(id: string): Promise<Space> {
    const space = this.space(id);
    mkdirSync(this.#check(space.dir), { recursive: true, mode: 0o711 });
    chmodSync(space.dir, 0o711);
    mkdirSync(space.meta, { recursive: true, mode: 0o700 });
    // A restore that was cut off while it put its files in their place.
    await this.#swap(id);
    return space;
  }

  async remove(id: string): Promise<boolean> {
    const { dir } = this.space(id);
    if (!this.has(id)) return false;
    await this.#privilege().execOk(["rm", "-rf", "--one-file-system", dir]);
    return true;
  }

  async snapshot(): Promise<never> {
    throw noSnapshots();
  }

  snapshots(): [] {
    return [];
  }

  async removeSnapshot(): Promise<false> {
    return false;
  }

  async setQuota(): Promise<void> {
    // Said by facts(): counted "none".
  }

  async usage(id: string): Promise<Usage> {
    const { data } = this.space(id);
    if (!this.has(id)) throw unknownProject(id);
    const { stdout } = await this.#privilege().exec(["du", "-sxB1", "--", data], {
      timeout: MEASURE_TIMEOUT_MS,
    });
    const bytes = Number(stdout.split("\t")[0]) || 0;
    return {
      quota_bytes: null,
      used_bytes: bytes,
      live_bytes: bytes,
      held_bytes: 0,
      counted: "none",
      measured_at: new Date().toISOString(),
    };
  }

  #stagePath(id: string): string {
    return this.#check(join(this.space(id).dir, "restoring"));
  }

  async stage(id: string): Promise<string> {
    await this.create(id);
    const path = this.#stagePath(id);
    await this.#privilege().execOk(["rm", "-rf", "--one-file-system", path]);
    mkdirSync(path, { mode: 0o711 });
    return path;
  }

  /** From the first rename on it is done to its end, if need be by whoever uses the project next. */
  async promote(id: string): Promise<Space> {
    const space = this.space(id);
    await this.#swap(id);
    renameSync(this.#stagePath(id), this.#check(join(space.dir, ARRIVING)));
    await this.#swap(id);
    return space;
  }

  /** Puts what arrives in its place. Once more is harmless at each point where it was cut off. */
  async #swap(id: string): Promise<void> {
    const { dir } = this.space(id);
    const arriving = this.#check(join(dir, ARRIVING));
    const old = this.#check(join(dir, "replaced"));
    const { execOk } = this.#privilege();
    // By mv with the privilege's rights: without root these belong to ids that we may not rename directories of.
    const move = (from: string, to: string) => execOk(["mv", "--no-target-directory", from, to]);
    if (existsSync(arriving)) {
      mkdirSync(old, { recursive: true, mode: 0o700 });
      for (const name of ["home", "upper", "work"]) {
        const path = join(dir, name);
        const comes = existsSync(join(arriving, name));
        // What is in its place once the other is gone from there has arrived before.
        if (existsSync(path) && (comes || name === "work") && !existsSync(join(old, name)))
          await move(path, join(old, name));
        if (comes) await move(join(arriving, name), path);
      }
      await execOk(["rm", "-rf", "--one-file-system", arriving]);
    }
    if (existsSync(old)) await execOk(["rm", "-rf", "--one-file-system", old]);
  }

  async restore(): Promise<never> {
    throw noSnapshots();
  }

  async facts(): Promise<PoolFacts> {
    const fs = await statfs(this.#root);
    return {
      kind: "directory",
      mode: "directory",
      uuid: null,
      total_bytes: fs.blocks * fs.bsize,
      free_bytes: fs.bavail * fs.bsize,
      snapshots: false,
      counted: "none",
      backing: null,
      watermark: "ok",
      note: this.#note,
    };
  }
}
