/**
 * Backups, as the hub's API tells of them. Routes (all under /api):
 *   GET  /projects/:id/backups                     ProjectBackups                POST → Operation
 *   GET  /projects/:id/backups/:backup/files?path= BackupEntry[]
 *   GET  /projects/:id/backups/:backup/file?path=  the file itself, as a download
 *   POST /projects/:id/backups/:backup/restore     RestoreRequest → Operation
 *   POST /projects/:id/move {host_id}, /clone {name, host_id?}, /archive, /unarchive {host_id?} → Operation
 *   GET  /backups                                  BackupsOverview (admin)
 *   POST /backups/due {what?}                      begins what is due; {started}
 *   POST /backups/drill|verify|prune               → Operation (admin)
 *   POST /backups/take-over                        (admin)
 *   GET  /backups/recovery-sheet                   text, with the password (admin)
 *   GET  /backups/bundle                           the hub's own state, encrypted (admin)
 *   PUT  /backups/target                           where the repository is (admin)
 */
import { z } from "zod";
import { problemSchema } from "./problem.ts";

const time = z.iso.datetime();

export const backupSchema = z.object({
  backup_id: z.uuid(),
  project_id: z.uuid(),
  host_id: z.string(),
  host_name: z.string().nullable(),
  snapshot_id: z.string().nullable(),
  /** `proven`: read whole, counted, and seen in the repository by the hub. `partial`: without what `left_out` names. */
  state: z.enum(["running", "proven", "partial", "failed"]),
  /** `schedule`, `demand`, `move` … */
  reason: z.string(),
  started_at: time,
  finished_at: time.nullable(),
  files: z.number(),
  dirs: z.number(),
  bytes: z.number(),
  added_bytes: z.number(),
  took_ms: z.number(),
  /** Files that are not in it, each with why. */
  left_out: z.array(z.string()),
  left_out_total: z.number(),
  problem: problemSchema.nullable(),
});
export type Backup = z.infer<typeof backupSchema>;

export const alarmSchema = z.object({
  code: z.string(),
  severity: z.enum(["warn", "bad"]),
  title: z.string(),
  why: z.string().optional(),
  fix: z.string().optional(),
  project_id: z.string().optional(),
});
export type Alarm = z.infer<typeof alarmSchema>;

export const projectBackupsSchema = z.object({
  /** Newest first. */
  backups: z.array(backupSchema),
  last_proven_at: time.nullable(),
  /** What is kept, in words. */
  keeps: z.string(),
  every_minutes: z.number(),
  /** Of this project alone. */
  alarms: z.array(alarmSchema),
});
export type ProjectBackups = z.infer<typeof projectBackupsSchema>;

export const backupEntrySchema = z.object({
  name: z.string(),
  /** Below the project's home. */
  path: z.string(),
  type: z.enum(["file", "dir", "link", "other"]),
  size: z.number(),
  modified_at: time.nullable(),
  link: z.string().nullable(),
});
export type BackupEntry = z.infer<typeof backupEntrySchema>;

export const homePathSchema = z
  .string()
  .min(1)
  .max(4_096)
  .refine((path) => !path.startsWith("/") && !path.split("/").includes("..") && !path.includes("\0"), {
    message: "a path below the project's home",
  });
export const restoreRequestSchema = z.discriminatedUnion("what", [
  /** The project as it was, its root file system's changes too. It is stopped meanwhile. */
  z.object({ what: z.literal("project") }),
  z.object({
    what: z.literal("paths"),
    paths: z.array(homePathSchema).min(1).max(100),
    /** `beside`: into a new folder `restored-…` of the home. `over`: where they were. */
    to: z.enum(["beside", "over"]),
  }),
]);
export type RestoreRequest = z.infer<typeof restoreRequestSchema>;

export const drillSchema = z.object({
  drill_id: z.string(),
  backup_id: z.string(),
  project_id: z.string(),
  project_name: z.string(),
  host_name: z.string().nullable(),
  state: z.enum(["running", "passed", "failed"]),
  started_at: time,
  finished_at: time.nullable(),
  files: z.number(),
  problem: problemSchema.nullable(),
});
export type Drill = z.infer<typeof drillSchema>;

export const repositoryInfoSchema = z.object({
  repository_id: z.string(),
  kind: z.enum(["local", "s3"]),
  location: z.string(),
  created_at: time,
  used_bytes: z.number().nullable(),
  free_bytes: z.number().nullable(),
  total_bytes: z.number().nullable(),
  /** Below `refuse` no backup begins. */
  space: z.enum(["ok", "warn", "refuse", "unknown"]),
  swept_files: z.number(),
  swept_at: time.nullable(),
  quarantined: z.number(),
  read_back_at: time.nullable(),
  pruned_at: time.nullable(),
});
export type RepositoryInfo = z.infer<typeof repositoryInfoSchema>;

export const projectBackupStateSchema = z.object({
  project_id: z.string(),
  name: z.string(),
  host_name: z.string().nullable(),
  last_proven_at: time.nullable(),
  last: backupSchema.nullable(),
});
export const backupsOverviewSchema = z.object({
  alarms: z.array(alarmSchema),
  repositories: z.array(repositoryInfoSchema),
  projects: z.array(projectBackupStateSchema),
  drills: z.array(drillSchema),
  isolation: z.enum(["shared", "per-host"]),
  keeps: z.string(),
});
export type BackupsOverview = z.infer<typeof backupsOverviewSchema>;

export const backupTargetSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("local") }),
  z.object({
    kind: z.literal("s3"),
    endpoint: z.url().max(500),
    region: z.string().min(1).max(100),
    bucket: z.string().min(3).max(63),
    root: z.string().max(200).default("/cocalc"),
    access_key_id: z.string().min(1).max(200),
    secret_access_key: z.string().min(1).max(200),
  }),
]);
export type BackupTarget = z.infer<typeof backupTargetSchema>;

/** Backups of projects, or a chore of the repositories: as the timers of an installed hub ask. */
export const dueRequestSchema = z.object({ what: z.enum(["backup", "prune", "verify"]).default("backup") });
export type DueRequest = z.infer<typeof dueRequestSchema>;
