/** Who may log in where, as the hub said last: in memory, and on disk so that SSH works while the hub is away. */
import { z } from "zod";
import { ACCESS_PART_PROJECTS, type SshAccess, sshAccessSchema } from "../../contract/host-verbs/ssh.ts";
import { CodedError } from "../../core/errors.ts";
import { readStateFile, writeStateFile } from "../../core/state-file.ts";

/** How a login proved itself. */
export interface Login {
  by: "account" | "project" | "authorized_keys";
  account_id: string | null;
}

interface ProjectAccess {
  accounts: ReadonlySet<string>;
  keys: ReadonlySet<string>;
}

export interface AccessTable {
  /** How this key may log in to this project by what the hub said; undefined when it may not. */
  find(projectId: string, blob: string): Login | undefined;
  /** The hub has told of this project, so that its own keys count. */
  knows(projectId: string): boolean;
  /** As another process wrote it. */
  reload(): void;
  /** Takes a part; true when it completed a revision, which then counts. */
  take(message: { revision: string; part: number; parts: number; access: SshAccess }): boolean;
}

const fileSchema = z.object({ revision: z.string(), access: sshAccessSchema });

export function createAccessTable(path: string): AccessTable {
  let projects = new Map<string, ProjectAccess>();
  let accounts = new Map<string, ReadonlySet<string>>();
  let coming: { revision: string; parts: (SshAccess | undefined)[] } | undefined;

  function use(access: SshAccess): void {
    accounts = new Map(
      access.accounts.map((one) => [one.account_id, new Set(one.keys.map((key) => key.blob))]),
    );
    projects = new Map(
      access.projects.map((one) => [
        one.project_id,
        { accounts: new Set(one.accounts), keys: new Set(one.keys.map((key) => key.blob)) },
      ]),
    );
  }
  const reload = () => {
    const kept = readStateFile(path, (value) => fileSchema.parse(value));
    use(kept?.access ?? { accounts: [], projects: [] });
  };
  reload();

  return {
    find(projectId, blob) {
      const project = projects.get(projectId);
      if (project === undefined) return undefined;
      for (const account_id of project.accounts) {
        if (accounts.get(account_id)?.has(blob)) return { by: "account", account_id };
      }
      return project.keys.has(blob) ? { by: "project", account_id: null } : undefined;
    },
    knows: (projectId) => projects.has(projectId),
    reload,
    take({ revision, part, parts, access }) {
      if (part >= parts || access.projects.length > ACCESS_PART_PROJECTS) {
        throw new CodedError({
          code: "ssh.bad-part",
          title: "That is no part of what was announced",
          status: 400,
        });
      }
      if (coming?.revision !== revision || coming.parts.length !== parts)
        coming = { revision, parts: new Array<SshAccess | undefined>(parts).fill(undefined) };
      coming.parts[part] = access;
      const whole = coming.parts.filter((one) => one !== undefined);
      if (whole.length < parts) return false;
      coming = undefined;
      // An account may be in several parts.
      const byId = new Map(whole.flatMap((one) => one.accounts).map((one) => [one.account_id, one]));
      const all = { accounts: [...byId.values()], projects: whole.flatMap((one) => one.projects) };
      use(all);
      writeStateFile(path, { revision, access: all });
      return true;
    },
  };
}
