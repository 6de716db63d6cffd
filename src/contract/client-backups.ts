/** The part of the API client that is about backups. */
import { z } from "zod";
import { operationSchema } from "./api.ts";
import {
  type BackupTarget,
  backupEntrySchema,
  backupsOverviewSchema,
  type DueRequest,
  projectBackupsSchema,
  type RestoreRequest,
} from "./api-backups.ts";
import type { ApiCall } from "./client.ts";

type CallText = (path: string) => Promise<Response>;

/** Where to: a host, or the one with most room; `otherSystem`: for the image `system`, other programs there are right. */
export interface Destination {
  host?: string | undefined;
  otherSystem?: boolean | undefined;
}
const destination = ({ host, otherSystem }: Destination) => ({
  ...(host === undefined ? {} : { host_id: host }),
  other_system: otherSystem === true,
});

export function backupsClient(call: ApiCall, raw: CallText) {
  const id = encodeURIComponent;
  const of = (project: string, backup: string) => `/projects/${id(project)}/backups/${id(backup)}`;
  return {
    list: (project: string) => call("GET", `/projects/${id(project)}/backups`, projectBackupsSchema),
    run: (project: string) => call("POST", `/projects/${id(project)}/backups`, operationSchema, {}),
    files: (project: string, backup: string, path = "") =>
      call("GET", `${of(project, backup)}/files?path=${id(path)}`, z.array(backupEntrySchema)),
    file: (project: string, backup: string, path: string) =>
      raw(`${of(project, backup)}/file?path=${id(path)}`),
    /** Address of one file, for a link. */
    fileUrl: (project: string, backup: string, path: string) =>
      `/api${of(project, backup)}/file?path=${id(path)}`,
    restore: (project: string, backup: string, request: RestoreRequest) =>
      call("POST", `${of(project, backup)}/restore`, operationSchema, request),
    move: (project: string, host: string, how: { fromBackup?: boolean; otherSystem?: boolean } = {}) =>
      call("POST", `/projects/${id(project)}/move`, operationSchema, {
        host_id: host,
        from_backup: how.fromBackup === true,
        other_system: how.otherSystem === true,
      }),
    clone: (project: string, name: string, to: Destination = {}) =>
      call("POST", `/projects/${id(project)}/clone`, operationSchema, { name, ...destination(to) }),
    archive: (project: string) => call("POST", `/projects/${id(project)}/archive`, operationSchema, {}),
    unarchive: (project: string, to: Destination = {}) =>
      call("POST", `/projects/${id(project)}/unarchive`, operationSchema, destination(to)),
    copy: (project: string, from: string, paths: string[]) =>
      call("POST", `/projects/${id(project)}/copy`, operationSchema, { from, paths }),
    overview: () => call("GET", "/backups", backupsOverviewSchema),
    due: (what: DueRequest["what"] = "backup") =>
      call("POST", "/backups/due", z.object({ started: z.number() }), { what }),
    drill: (project?: string) =>
      call("POST", "/backups/drill", operationSchema, project === undefined ? {} : { project_id: project }),
    verify: () => call("POST", "/backups/verify", operationSchema, {}),
    prune: () => call("POST", "/backups/prune", operationSchema, {}),
    takeOver: () => call("POST", "/backups/take-over", z.object({}), {}),
    hub: () => call("POST", "/backups/hub", z.object({}), {}),
    bundle: () => raw("/backups/bundle"),
    recoverySheet: () => raw("/backups/recovery-sheet"),
    setTarget: (target: BackupTarget) =>
      call("PUT", "/backups/target", z.object({ kind: z.string() }), target),
  };
}
