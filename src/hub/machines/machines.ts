/**
 * Machines that the hub signs in to: their host keys as an admin confirmed them, the hub's own key for them, the ways it
 * holds open, and the operation that makes one a host.
 */
import { join } from "node:path";
import { z } from "zod";
import type { Operation } from "../../contract/api.ts";
import {
  type AddMachine,
  addMachineSchema,
  type Machine,
  type MachineLook,
} from "../../contract/api-machines.ts";
import { CodedError, EX, messageOf } from "../../core/errors.ts";
import { newId } from "../../core/ids.ts";
import { logger } from "../../core/log.ts";
import { ensureDir } from "../../core/paths.ts";
import { type KeyPair, loadOrCreateKeyPair } from "../../core/ssh-keys.ts";
import { writeFileAtomic } from "../../core/state-file.ts";
import { assertAdmin, type Caller, notFound } from "../accounts/caller.ts";
import type { HubCore } from "../core.ts";
import type { MachineTable } from "../db/schema.ts";
import askpass from "./askpass.sh" with { type: "text" };
import { type Held, hold } from "./held.ts";
import { keyOf, type SshFiles, shownKey } from "./ssh.ts";
import { parseTarget, targetText } from "./target.ts";

const log = logger("machines");
export const JOIN_KIND = "machine.join";
export const joinInput = addMachineSchema.pick({ base_port: true, data_dir: true, replace: true }).extend({
  target: z.string(),
  with_password: z.boolean(),
});

export type Machines = ReturnType<typeof createMachines>;

export function createMachines(core: HubCore) {
  const { db, audit, events } = core;
  const dir = join(core.paths.dir, "machines");
  const held = new Map<string, Held>();
  /** Of operations that run; a restart of the hub loses them, and the operation says so. */
  const passwords = new Map<string, string>();
  let pair: KeyPair | undefined;
  const comment = `cocalc-hub ${core.identity.hub_id.slice(0, 8)}`;

  function ownKey(): KeyPair {
    if (pair) return pair;
    ensureDir(dir);
    writeFileAtomic(join(dir, "askpass"), askpass, 0o700);
    pair = loadOrCreateKeyPair(join(dir, "hub_ed25519"), comment);
    return pair;
  }
  const hubKey = () => `${ownKey().publicLine} ${comment}`;

  function filesOf(machine: MachineTable): SshFiles {
    ownKey();
    const knownHosts = join(dir, `known-${machine.machine_id}`);
    writeFileAtomic(knownHosts, `machine ${machine.host_key}\n`);
    return { identity: join(dir, "hub_ed25519"), knownHosts, askpass: join(dir, "askpass") };
  }

  async function byTarget(target: string): Promise<MachineTable | undefined> {
    return await db.selectFrom("machines").selectAll().where("target", "=", target).executeTakeFirst();
  }
  async function row(id: string): Promise<MachineTable | undefined> {
    return await db.selectFrom("machines").selectAll().where("machine_id", "=", id).executeTakeFirst();
  }
  async function update(id: string, change: Partial<MachineTable>): Promise<void> {
    await db.updateTable("machines").set(change).where("machine_id", "=", id).execute();
    events.changed("host", id);
  }

  /** The one way held to this machine; made at the first call. */
  function holdTo(machine: MachineTable): Held {
    const known = held.get(machine.machine_id);
    if (known) return known;
    const made = hold({
      target: parseTarget(machine.target),
      files: filesOf(machine),
      hubKey: hubKey(),
      ports: core.ports,
      changed: () => events.changed("host", machine.machine_id),
    });
    held.set(machine.machine_id, made);
    return made;
  }
  function letGo(id: string): void {
    held.get(id)?.close();
    held.delete(id);
  }

  /** A host that is gone needs no way to the hub any more. */
  async function releaseGone(hostId: string): Promise<void> {
    const machine = await db
      .selectFrom("machines")
      .selectAll()
      .where("host_id", "=", hostId)
      .executeTakeFirst();
    if (!machine || (await core.hosts.row(hostId))?.state !== "gone") return;
    letGo(machine.machine_id);
    await update(machine.machine_id, { held: 0, host_id: null });
  }

  return {
    hubKey,
    filesOf,
    row,
    update,
    holdTo,
    letGo,
    password: (operationId: string) => passwords.get(operationId),
    forgetPassword: (operationId: string) => void passwords.delete(operationId),

    async look(caller: Caller, text: string): Promise<MachineLook> {
      assertAdmin(caller);
      const target = parseTarget(text);
      const key = await shownKey(target);
      const known = await byTarget(targetText(target));
      const before = known && keyOf(known.host_key).fingerprint;
      return {
        target: targetText(target),
        host_key: { type: key.type, fingerprint: key.fingerprint },
        known_fingerprint: before !== undefined && before !== key.fingerprint ? before : null,
        hub_key: hubKey(),
      };
    },

    async add(caller: Caller, wanted: AddMachine): Promise<Operation> {
      assertAdmin(caller);
      const target = parseTarget(wanted.target);
      const name = targetText(target);
      const shown = await shownKey(target);
      if (shown.fingerprint !== wanted.fingerprint) {
        throw new CodedError({
          code: "machine.host-key-changed",
          title: `${name} shows another key than the one that was confirmed`,
          why: `It shows ${shown.fingerprint}; confirmed was ${wanted.fingerprint}. Nothing was sent to it.`,
          fix: "Look at it again and compare the key with what the machine itself prints.",
          command: "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
          status: 409,
          exit: EX.NOPERM,
        });
      }
      const host_key = `${shown.type} ${shown.blob}`;
      const known = await byTarget(name);
      if (known && known.host_key !== host_key) letGo(known.machine_id);
      const machine: MachineTable = known ?? {
        machine_id: newId(),
        target: name,
        host_key,
        held: 0,
        host_id: null,
        operation_id: null,
        created_at: new Date().toISOString(),
      };
      await db
        .insertInto("machines")
        .values(machine)
        .onConflict((c) => c.column("target").doUpdateSet({ host_key }))
        .execute();
      const { base_port, data_dir, replace, password } = wanted;
      const operation = await core.operations.start(
        caller,
        JOIN_KIND,
        { kind: "host", id: machine.machine_id, name },
        { target: name, base_port, data_dir, replace, with_password: password !== undefined },
      );
      if (password !== undefined) passwords.set(operation.operation_id, password);
      await update(machine.machine_id, { operation_id: operation.operation_id });
      await audit.write(caller.name, "machine.add", machine.machine_id, {
        target: name,
        fingerprint: shown.fingerprint,
      });
      return operation;
    },

    async list(caller: Caller): Promise<Machine[]> {
      assertAdmin(caller);
      const rows = await db.selectFrom("machines").selectAll().orderBy("created_at").execute();
      return rows.map((one) => {
        const way = held.get(one.machine_id);
        return {
          machine_id: one.machine_id,
          target: one.target,
          fingerprint: keyOf(one.host_key).fingerprint,
          host_id: one.host_id,
          operation_id: one.operation_id,
          link: one.held === 0 ? "none" : (way?.state ?? "down"),
          problem: way?.problem ?? null,
          created_at: one.created_at,
        };
      });
    },

    /** The hub no longer signs in to it; a host that it became stays one, as far as it has a way of its own. */
    async remove(caller: Caller, id: string): Promise<void> {
      assertAdmin(caller);
      const machine = await row(id);
      if (!machine) throw notFound("machine", id);
      letGo(id);
      await db.deleteFrom("machines").where("machine_id", "=", id).execute();
      events.changed("host", id);
      await audit.write(caller.name, "machine.remove", id, { target: machine.target });
    },

    /** After a start of the hub: what it held, it holds. */
    async start(): Promise<void> {
      events.onChanged((event) => {
        if (event.kind !== "host" || held.size === 0) return;
        releaseGone(event.id).catch((error: unknown) =>
          log.warn("a way held to a machine is not let go", { host_id: event.id, why: messageOf(error) }),
        );
      });
      for (const one of await db.selectFrom("machines").selectAll().where("held", "=", 1).execute())
        holdTo(one);
    },
    close(): void {
      for (const id of held.keys()) letGo(id);
    },
  };
}
