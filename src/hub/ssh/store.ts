/** SSH keys in the database, behind the caller. */
import type { AddSshKey, SshKey } from "../../contract/api-ssh.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { newId } from "../../core/ids.ts";
import { parsePublicKey, publicLineOf } from "../../core/ssh-public-key.ts";
import { type Caller, notFound } from "../accounts/caller.ts";
import type { HubCore } from "../core.ts";
import type { SshKeyTable } from "../db/schema.ts";

/** What a host is told, and what a project takes: as many as its schema allows. */
const MAX_KEYS = 100;

export type SshKeyStore = ReturnType<typeof createSshKeyStore>;

type Owner = { account_id: string; project_id: null } | { account_id: null; project_id: string };

function toKey(row: SshKeyTable): SshKey {
  const { key_id, name, type, bits, fingerprint, created_at, created_by, last_used_at, last_used_from } = row;
  return {
    key_id,
    name,
    type,
    bits,
    fingerprint,
    public_key: publicLineOf(row),
    created_at,
    created_by,
    last_used_at,
    last_used_from,
  };
}

export function createSshKeyStore({ db, projects, accounts, audit, events }: HubCore) {
  const of = (owner: Owner) => {
    const all = db.selectFrom("ssh_keys").selectAll().orderBy("created_at");
    return owner.account_id === null
      ? all.where("project_id", "=", owner.project_id)
      : all.where("account_id", "=", owner.account_id);
  };
  const list = async (owner: Owner) => (await of(owner).execute()).map(toKey);

  /** Whoever lists, pushes or shows keys must hear of it. */
  const changed = (owner: Owner) =>
    owner.account_id === null
      ? events.changed("project", owner.project_id)
      : events.changed("user", owner.account_id);

  async function add(caller: Caller, owner: Owner, input: AddSshKey): Promise<SshKey> {
    const key = parsePublicKey(input.key);
    const existing = await of(owner).execute();
    if (existing.some((one) => one.fingerprint === key.fingerprint)) {
      throw new CodedError({
        code: "ssh-key.known",
        title: "That key is there already",
        why: `Its fingerprint is ${key.fingerprint}.`,
        status: 409,
        exit: EX.DATAERR,
      });
    }
    if (existing.length >= MAX_KEYS) {
      throw new CodedError({
        code: "ssh-key.too-many",
        title: `There are ${MAX_KEYS} keys already`,
        fix: "Remove those that are no longer used.",
        status: 409,
        exit: EX.DATAERR,
      });
    }
    const row: SshKeyTable = {
      ...owner,
      key_id: newId(),
      type: key.type,
      blob: key.blob,
      bits: key.bits,
      fingerprint: key.fingerprint,
      name: (input.name || key.comment || key.type).slice(0, 100),
      created_at: new Date().toISOString(),
      created_by: caller.name,
      last_used_at: null,
      last_used_from: null,
    };
    await db.insertInto("ssh_keys").values(row).execute();
    await audit.write(caller.name, "ssh-key.add", owner.account_id ?? owner.project_id, {
      fingerprint: key.fingerprint,
      of: owner.account_id === null ? "project" : "account",
    });
    changed(owner);
    return toKey(row);
  }

  async function remove(caller: Caller, owner: Owner, keyId: string): Promise<void> {
    const row = (await of(owner).execute()).find((one) => one.key_id === keyId || one.fingerprint === keyId);
    if (row === undefined) throw notFound("ssh-key", keyId);
    await db.deleteFrom("ssh_keys").where("key_id", "=", row.key_id).execute();
    await audit.write(caller.name, "ssh-key.remove", owner.account_id ?? owner.project_id, {
      fingerprint: row.fingerprint,
    });
    changed(owner);
  }

  const own = (caller: Caller): Owner => ({ account_id: caller.account_id, project_id: null });
  /** Whoever has a shell in a project can write its authorized_keys: the same people may change its keys here. */
  const ofProject = async (caller: Caller, key: string): Promise<Owner> => ({
    account_id: null,
    project_id: (await projects.get(caller, key, "collaborator")).project_id,
  });

  return {
    own: (caller: Caller) => list(own(caller)),
    async addOwn(caller: Caller, input: AddSshKey): Promise<SshKey> {
      // The local administrator is no account and has no keys.
      if ((await accounts.byId(caller.account_id)) === undefined)
        throw notFound("account", caller.account_id);
      return await add(caller, own(caller), input);
    },
    removeOwn: (caller: Caller, keyId: string) => remove(caller, own(caller), keyId),
    ofProject: async (caller: Caller, project: string) => await list(await ofProject(caller, project)),
    addToProject: async (caller: Caller, project: string, input: AddSshKey) =>
      await add(caller, await ofProject(caller, project), input),
    removeFromProject: async (caller: Caller, project: string, keyId: string) =>
      await remove(caller, await ofProject(caller, project), keyId),
    /** The hub's own machinery: a host told of a login. */
    async used(owner: Owner, fingerprint: string, from: string | null): Promise<void> {
      const update = db
        .updateTable("ssh_keys")
        .set({ last_used_at: new Date().toISOString(), last_used_from: from })
        .where("fingerprint", "=", fingerprint);
      await (owner.account_id === null
        ? update.where("project_id", "=", owner.project_id)
        : update.where("account_id", "=", owner.account_id)
      ).execute();
    },
  };
}
