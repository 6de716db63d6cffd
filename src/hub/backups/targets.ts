/** Where new repositories are made: on the hub's disk, or in a bucket. Kept sealed, as it holds keys. */

import { createHash, randomBytes } from "node:crypto";
import { type BackupTarget, backupTargetSchema } from "../../contract/api-backups.ts";
import { type S3Target, s3Store, trimmed } from "../../contract/s3-store.ts";
import { open, seal } from "../../core/secrets.ts";
import type { HubCore } from "../core.ts";

/** Row of the settings table; sealed, and so not among the settings that are listed. */
const KEY = "backup_target";

const place = (one: S3Target) => `${one.endpoint} ${one.bucket} ${trimmed(one.root)}`;
export const samePlace = (one: BackupTarget, two: BackupTarget): boolean =>
  one.kind === "s3" && two.kind === "s3" && place(one) === place(two);

/**
 * Name of the repository for `scope` (all hosts, or one) at a target. Each place has its own, so that a hub that is
 * told of another goes on there, and still restores from the old one. Pure.
 */
export function repositoryId(scope: string, target: BackupTarget): string {
  if (target.kind === "local") return scope;
  return `${scope}-s3-${createHash("sha256").update(place(target)).digest("hex").slice(0, 8)}`;
}

/** Where in the bucket the repository of `scope` is. Pure. */
export const within = (target: S3Target, scope: string): S3Target => ({
  ...target,
  root: `/${trimmed(`${target.root}/${scope}`)}`,
});

export function createTargets({ db, master }: HubCore) {
  return {
    async current(): Promise<BackupTarget> {
      const row = await db.selectFrom("settings").select("value").where("key", "=", KEY).executeTakeFirst();
      if (!row) return { kind: "local" };
      return backupTargetSchema.parse(JSON.parse(open(master, `settings:${KEY}`, row.value)));
    },
    /** Tried before it is kept: what is wrong is told here, not by the first backup at night. Errors as of {@link s3Store}. */
    async set(value: BackupTarget): Promise<void> {
      if (value.kind === "s3") await s3Store(value).probe(`probe-${randomBytes(16).toString("hex")}`);
      const text = seal(master, `settings:${KEY}`, JSON.stringify(value));
      await db
        .insertInto("settings")
        .values({ key: KEY, value: text })
        .onConflict((c) => c.column("key").doUpdateSet({ value: text }))
        .execute();
    },
  };
}
