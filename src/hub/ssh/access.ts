/** Who may log in to the projects of a host, as the database has it. */
import type { AccessKey, SshAccess } from "../../contract/host-verbs/ssh.ts";
import { ACCESS_PART_PROJECTS } from "../../contract/host-verbs/ssh.ts";
import type { Db } from "../db/open.ts";
import type { JumpKey } from "../sshd/render.ts";

/** A viewer has no shell. */
const ROLES = ["owner", "collaborator"];

export async function accessOf(db: Db, hostId: string): Promise<SshAccess> {
  const projects = await db
    .selectFrom("projects")
    .select("project_id")
    .where("host_id", "=", hostId)
    .where("desired_state", "!=", "deleted")
    .orderBy("project_id")
    .execute();
  const members = await db
    .selectFrom("members")
    .innerJoin("projects", "projects.project_id", "members.project_id")
    .innerJoin("user", "user.id", "members.account_id")
    .select(["members.project_id", "members.account_id", "user.name"])
    .where("projects.host_id", "=", hostId)
    .where("members.role", "in", ROLES)
    .where("user.suspended", "=", 0)
    .orderBy("members.account_id")
    .execute();
  const ids = [...new Set(members.map((one) => one.account_id))];
  const keys = await db
    .selectFrom("ssh_keys")
    .select(["account_id", "project_id", "type", "blob"])
    .where((eb) =>
      eb.or([
        eb("account_id", "in", ids.length > 0 ? ids : [""]),
        eb("project_id", "in", eb.selectFrom("projects").select("project_id").where("host_id", "=", hostId)),
      ]),
    )
    .orderBy("key_id")
    .execute();
  const keysBy = (column: "account_id" | "project_id", id: string): AccessKey[] =>
    keys.filter((one) => one[column] === id).map(({ type, blob }) => ({ type, blob }));
  const names = new Map(members.map((one) => [one.account_id, one.name]));
  return {
    accounts: ids.map((account_id) => ({
      account_id,
      name: names.get(account_id) ?? "",
      keys: keysBy("account_id", account_id),
    })),
    projects: projects.map(({ project_id }) => ({
      project_id,
      accounts: members.filter((one) => one.project_id === project_id).map((one) => one.account_id),
      keys: keysBy("project_id", project_id),
    })),
  };
}

/** Parts that fit into a message each, with the accounts that their projects name. At least one, which may be empty. */
export function partsOf(access: SshAccess): SshAccess[] {
  const parts: SshAccess[] = [];
  for (let at = 0; at < access.projects.length || at === 0; at += ACCESS_PART_PROJECTS) {
    const projects = access.projects.slice(at, at + ACCESS_PART_PROJECTS);
    const named = new Set(projects.flatMap((one) => one.accounts));
    parts.push({ projects, accounts: access.accounts.filter((one) => named.has(one.account_id)) });
  }
  return parts;
}

/** Keys that may pass through the hub's own sshd, and where to. Two accounts with one key have what both have. */
export async function jumpKeysOf(db: Db): Promise<JumpKey[]> {
  const rows = await db
    .selectFrom("ssh_keys")
    .innerJoin("user", "user.id", "ssh_keys.account_id")
    .innerJoin("members", "members.account_id", "ssh_keys.account_id")
    .innerJoin("projects", "projects.project_id", "members.project_id")
    .innerJoin("hosts", "hosts.host_id", "projects.host_id")
    .select(["ssh_keys.type", "ssh_keys.blob", "hosts.ssh_port"])
    .where("members.role", "in", ROLES)
    .where("user.suspended", "=", 0)
    .where("hosts.state", "!=", "gone")
    .where("hosts.key_revoked", "=", 0)
    .distinct()
    .orderBy("ssh_keys.blob")
    .orderBy("hosts.ssh_port")
    .execute();
  const byKey = new Map<string, JumpKey>();
  for (const { type, blob, ssh_port } of rows) {
    const key = byKey.get(blob) ?? { type, blob, ports: [] };
    byKey.set(blob, key);
    key.ports.push(ssh_port);
  }
  return [...byKey.values()];
}
