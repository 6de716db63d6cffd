/**
 * Where projects' bytes lie, as root sees it. One interface, two implementations: {@link DirectoryStorage} (plain
 * directories, no quotas, no snapshots) and {@link BtrfsStorage} (a subvolume per project). Only the helper holds one;
 * everybody else asks it by its verbs.
 *
 * @example
 * const space = await storage.create(project_id);        // space.home, space.upper, space.work are directories
 * const shot = await storage.snapshot(project_id, "backup");
 * … read below shot.path/home and shot.path/upper, which nothing changes any more …
 * await storage.removeSnapshot(project_id, shot.name);
 */
import type { PoolFacts, Snapshot, SnapshotKind, Usage } from "../../contract/storage.ts";
import { CodedError, EX } from "../../core/errors.ts";

/** Directories of one project. All are root's own, except `home`, `upper` and `work`, which a project fills. */
export interface Space {
  /** Holds all of the project that is on this host. */
  dir: string;
  /** Root's records; never shown to the project, not part of a snapshot. */
  meta: string;
  /** What is snapshotted and backed up: has `home`, `upper` and `work` in it. */
  data: string;
  home: string;
  /** Upper and work directories of the overlay over its image. */
  upper: string;
  work: string;
  /** What the project sees as `~/.snapshots`; undefined where there are no snapshots. */
  snapshots: string | undefined;
}

/** Read-only, at one instant. `path` holds `home` and `upper`, and is for root on this host alone. */
export interface StoredSnapshot extends Snapshot {
  path: string;
}

export interface Storage {
  readonly kind: PoolFacts["kind"];
  /** Ids of the projects that have space here. */
  ids(): string[];
  has(id: string): boolean;
  /** Names alone; nothing is made. */
  space(id: string): Space;
  /** Makes `dir`, `meta` and `data`; what is there already stays. */
  create(id: string): Promise<Space>;
  /** Takes away all of it, snapshots too. False when there was nothing. */
  remove(id: string): Promise<boolean>;
  /**
   * `undefined` when `onlyIfChanged` and nothing was committed since the newest one; what is in memory is committed
   * within half a minute, and so is found the next time.
   * Errors: `storage.no-snapshots` (plain directories), `storage.unknown-project`.
   */
  snapshot(id: string, kind: SnapshotKind, onlyIfChanged?: boolean): Promise<StoredSnapshot | undefined>;
  /** Oldest first. */
  snapshots(id: string): StoredSnapshot[];
  removeSnapshot(id: string, name: string): Promise<boolean>;
  /** Bytes that a project may use; null lifts the limit. */
  setQuota(id: string, bytes: number | null): Promise<void>;
  usage(id: string): Promise<Usage>;
  /** An empty writable place beside `data`, for what is being restored; what an earlier try left there is gone. */
  stage(id: string): Promise<string>;
  /** The staged tree becomes `data`, by renames; what was there stays as a `safety` snapshot where there are any. */
  promote(id: string): Promise<Space>;
  /**
   * All of a stopped project as it was in a snapshot, installed programs included; what it was until now stays as a
   * `safety` snapshot. Errors: `storage.no-snapshots`, `storage.unknown-snapshot`.
   */
  restore(id: string, name: string): Promise<void>;
  facts(): Promise<PoolFacts>;
}

export function noSnapshots(): CodedError {
  return new CodedError({
    code: "storage.no-snapshots",
    title: "This host keeps projects in plain directories, which have no snapshots",
    fix: "Give it a btrfs pool: cocalc-project-host storage plan says what that takes.",
    command: "sudo cocalc-project-host storage plan",
    status: 409,
    exit: EX.UNAVAILABLE,
  });
}

export function unknownProject(id: string): CodedError {
  return new CodedError({
    code: "storage.unknown-project",
    title: `There is nothing of project ${id} on this host`,
    status: 404,
    exit: EX.NOINPUT,
  });
}
