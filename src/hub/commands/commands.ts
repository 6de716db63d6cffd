/**
 * Commands to machines: an upgrade, a rollback, what is to be done with a virtual machine there. Each is a row until the machine has said how it ended. It is sent when
 * the machine is there, under a lease so that two hubs on one database do not both send it, and again when no answer
 * came; the machine knows each by its id and does it once.
 */
import type { Host } from "../../contract/api.ts";
import type { HostCommand, UpgradeHost } from "../../contract/api-commands.ts";
import {
  type CommandKind,
  type CommandOrder,
  type CommandStatus,
  type CommandVm,
  commandVmSchema,
} from "../../contract/host-verbs/commands.ts";
import type { VmAct } from "../../contract/vms.ts";
import { CodedError, EX, type ProblemDetails, toProblem } from "../../core/errors.ts";
import { newId } from "../../core/ids.ts";
import { logger } from "../../core/log.ts";
import { COMMIT, VERSION } from "../../core/version.ts";
import { assertAdmin, type Caller } from "../accounts/caller.ts";
import { commandRoutes } from "../api/command-routes.ts";
import { vmRoutes } from "../api/vm-routes.ts";
import type { HubCore, HubFeature } from "../core.ts";
import type { HostCommandTable } from "../db/schema.ts";
import { revokeVmToken, vmOrder } from "../vms/order.ts";
import { createVms } from "../vms/vms.ts";
import { createBackupsFirst } from "./backups-first.ts";
import { judgeDelivery, judgeUnknowing, MAX_UNTAKEN, RUNNING_LEASE_MS, SENT_LEASE_MS } from "./deliver.ts";

const log = logger("commands");
const SWEEP_MS = 3_000;
const LISTED = 20;
const UNKNOWING = "conat.no-responder";

function toCommand(row: HostCommandTable): HostCommand {
  const { lease_until: _, ...rest } = row;
  return {
    ...rest,
    kind: row.kind as CommandKind,
    state: row.state as HostCommand["state"],
    without_backups: row.without_backups === 1,
    problem: row.problem ? (JSON.parse(row.problem) as HostCommand["problem"]) : null,
    vm: row.vm ? commandVmSchema.parse(JSON.parse(row.vm)) : null,
  };
}

export type Commands = ReturnType<typeof createCommands>;

export function createCommands(core: HubCore) {
  const { db, hosts, links, audit, events } = core;
  /** One answer at a time from each machine. */
  const sending = new Set<string>();
  /** Machines that were to be looked at while that was so. */
  const missed = new Set<string>();
  const now = () => new Date().toISOString();

  async function change(row: HostCommandTable, set: Partial<HostCommandTable>): Promise<boolean> {
    const result = await db
      .updateTable("host_commands")
      .set(set)
      .where("command_id", "=", row.command_id)
      .where("finished_at", "is", null)
      .executeTakeFirst();
    if (result.numUpdatedRows !== 1n) return false;
    if (set.finished_at) {
      if (row.kind === "vm-create" && set.state !== "done") await revokeVmToken(core, row);
      await audit.write(`host ${row.host_id}`, `host.${row.kind}-${set.state}`, row.host_id, {
        command_id: row.command_id,
        from: row.from_version,
        to: set.to_version ?? row.to_version,
        ...(set.problem ? { code: (JSON.parse(set.problem) as ProblemDetails).code } : {}),
      });
    }
    events.changed("host", row.host_id);
    return true;
  }

  const backups = createBackupsFirst(core, { change, further: (hostId) => soon(hostId) });

  /** What a machine says of its command. Of one that is over, or that this hub does not know, it may forget all. */
  async function told(hostId: string, status: CommandStatus): Promise<void> {
    const row = await db
      .selectFrom("host_commands")
      .selectAll()
      .where("command_id", "=", status.command_id)
      .where("host_id", "=", hostId)
      .where("finished_at", "is", null)
      .executeTakeFirst();
    if (!row) return;
    const over = status.state !== "running";
    await change(row, {
      state: status.state,
      detail: status.detail,
      to_version: status.version,
      problem: status.problem ? JSON.stringify(status.problem) : null,
      lease_until: new Date(Date.now() + RUNNING_LEASE_MS).toISOString(),
      ...(over ? { finished_at: now() } : {}),
    });
  }

  async function fail(row: HostCommandTable, problem: ProblemDetails): Promise<void> {
    await change(row, { state: "failed", problem: JSON.stringify(problem), finished_at: now() });
  }

  /** The machine's program is of a time before there were commands. */
  async function unknowing(row: HostCommandTable): Promise<void> {
    const host = await hosts.find(row.host_id);
    const runs = host?.report?.version ?? null;
    const judged = judgeUnknowing(row, runs);
    if (judged === "done") {
      await change(row, { state: "done", to_version: runs, finished_at: now() });
      return;
    }
    await fail(row, {
      code: "upgrade.host-too-old",
      title: `${host?.name ?? "This machine"} runs ${runs ?? "a version"} that takes no commands yet`,
      why: "Upgrades from the hub came with a later version.",
      fix: "Paste a line from “Add a machine” there, once: it brings that machine to the hub's version. Its projects stay.",
      command: "cocalc-hub host token",
    });
  }

  async function send(row: HostCommandTable): Promise<void> {
    const lease = row.state === "running" ? RUNNING_LEASE_MS : SENT_LEASE_MS;
    const claimed = await db
      .updateTable("host_commands")
      .set({ lease_until: new Date(Date.now() + lease).toISOString(), attempts: row.attempts + 1 })
      .where("command_id", "=", row.command_id)
      .where("finished_at", "is", null)
      .where("attempts", "=", row.attempts)
      .executeTakeFirst();
    // Another hub has just sent it.
    if (claimed.numUpdatedRows !== 1n) return;
    const vm = await vmOrder(core, row, change);
    const order: CommandOrder = {
      command_id: row.command_id,
      kind: row.kind as CommandKind,
      version: row.version,
      ...(vm === undefined ? {} : { vm }),
    };
    try {
      await told(row.host_id, await links.request(row.host_id, "command.deliver", order));
    } catch (error) {
      const problem = toProblem(error);
      log.warn("a command was not taken", { host_id: row.host_id, code: problem.code });
      if (problem.code === UNKNOWING) await unknowing(row);
      else if (row.state === "waiting" && links.isConnected(row.host_id) && row.attempts + 1 >= MAX_UNTAKEN) {
        await fail(row, {
          code: "command.not-taken",
          title: `The machine did not take the command, ${MAX_UNTAKEN} times`,
          why: problem.why ?? problem.title,
          fix: "See what its log says, then ask again.",
          command: "journalctl -u cocalc-project-host -n 50",
        });
      }
    }
  }

  const open = (hostId?: string) =>
    db
      .selectFrom("host_commands")
      .selectAll()
      .where("finished_at", "is", null)
      .$if(hostId !== undefined, (query) => query.where("host_id", "=", hostId ?? ""))
      .execute();

  async function sweep(hostId?: string): Promise<void> {
    for (const { host_id } of await open(hostId)) {
      if (sending.has(host_id)) {
        missed.add(host_id);
        continue;
      }
      sending.add(host_id);
      try {
        // As it is now: there is one at a time for each machine.
        const [row] = await open(host_id);
        if (row === undefined || !(await backups.done(row))) continue;
        const connected = links.isConnected(host_id);
        if (judgeDelivery(row, { connected, now: now() }) === "send") await send(row);
      } finally {
        sending.delete(host_id);
        if (missed.delete(host_id)) soon(host_id);
      }
    }
  }
  const soon = (hostId?: string) =>
    void sweep(hostId).catch((error: unknown) => log.error("commands could not be looked at", error));

  links.on("command-status", told);
  links.onConnected((hostId) => soon(hostId));

  async function ask(
    caller: Caller,
    host: Host,
    kind: CommandKind,
    version: string | null,
    { withoutBackups = false, vm }: { withoutBackups?: boolean; vm?: CommandVm } = {},
  ) {
    const row: HostCommandTable = {
      command_id: newId(),
      host_id: host.host_id,
      kind,
      version,
      state: "waiting",
      detail: null,
      from_version: host.report?.version ?? null,
      to_version: null,
      attempts: 0,
      lease_until: null,
      problem: null,
      created_at: now(),
      created_by: caller.name,
      finished_at: null,
      without_backups: withoutBackups ? 1 : 0,
      backup_operation: null,
      vm: vm === undefined ? null : JSON.stringify(vm),
    };
    const made = await db
      .insertInto("host_commands")
      .values(row)
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst();
    if ((made.numInsertedOrUpdatedRows ?? 0n) !== 1n) {
      throw new CodedError({
        code: "command.under-way",
        title: `${host.name} has a command that has not ended yet`,
        why: "One at a time: two at once could fight.",
        fix: "Wait for its end; one that still waits for its machine can be cancelled.",
        command: `cocalc-hub host commands ${host.name}`,
        status: 409,
        exit: EX.TEMPFAIL,
      });
    }
    await audit.write(caller.name, `host.${kind}`, host.host_id, {
      version,
      command_id: row.command_id,
      ...(withoutBackups ? { without_backups: true } : {}),
      ...(vm === undefined ? {} : { vm: vm.name, ...vm.size }),
    });
    events.changed("host", host.host_id);
    soon(host.host_id);
    return toCommand(row);
  }

  async function find(caller: Caller, key: string, id: string): Promise<HostCommandTable> {
    const host = await hosts.get(caller, key);
    const row = await db
      .selectFrom("host_commands")
      .selectAll()
      .where("command_id", "=", id)
      .where("host_id", "=", host.host_id)
      .executeTakeFirst();
    if (row) return row;
    throw new CodedError({
      code: "command.not-found",
      title: `${host.name} has no command ${id.slice(0, 100)}`,
      fix: "See what it has.",
      command: `cocalc-hub host commands ${host.name}`,
      status: 404,
      exit: EX.NOINPUT,
    });
  }

  return {
    sweep,
    /** For a virtual machine on it. Error: `command.under-way`. */
    async askVm(caller: Caller, host: Host, act: VmAct, vm: CommandVm): Promise<HostCommand> {
      assertAdmin(caller);
      return await ask(caller, host, `vm-${act}`, null, { vm });
    },
    async list(caller: Caller, key: string): Promise<HostCommand[]> {
      const host = await hosts.get(caller, key);
      const rows = await db
        .selectFrom("host_commands")
        .selectAll()
        .where("host_id", "=", host.host_id)
        .orderBy("created_at", "desc")
        .limit(LISTED)
        .execute();
      return rows.map(toCommand);
    },
    /** Errors: `upgrade.already`, `upgrade.hub-version`, `command.under-way`. */
    async upgrade(caller: Caller, key: string, wanted: UpgradeHost): Promise<HostCommand> {
      assertAdmin(caller);
      const host = await hosts.get(caller, key);
      const withoutBackups = wanted.without_backups === true;
      if (host.type.kind === "local")
        return await ask(caller, host, "upgrade", wanted.version ?? null, { withoutBackups });
      if (wanted.version !== undefined && wanted.version !== VERSION) {
        throw new CodedError({
          code: "upgrade.hub-version",
          title: `A host gets the hub's version, ${VERSION}`,
          why: "It takes its programs from the hub. A hub and its hosts may be one version apart while they are upgraded, not for good.",
          fix: "Upgrade the hub first, then its hosts.",
          status: 409,
          exit: EX.USAGE,
        });
      }
      if (host.report?.version === VERSION && host.report.commit === COMMIT) {
        throw new CodedError({
          code: "upgrade.already",
          title: `${host.name} runs the hub's version already, ${VERSION}`,
          status: 409,
          exit: EX.USAGE,
        });
      }
      return await ask(caller, host, "upgrade", VERSION, { withoutBackups });
    },
    async rollback(caller: Caller, key: string): Promise<HostCommand> {
      assertAdmin(caller);
      return await ask(caller, await hosts.get(caller, key), "rollback", null, { withoutBackups: true });
    },
    /** Errors: `command.taken`. */
    async cancel(caller: Caller, key: string, id: string): Promise<HostCommand> {
      const row = await find(caller, key, id);
      // While an answer may be on its way it is not known whether the machine has it.
      const held = row.lease_until !== null && row.lease_until > now();
      if ((row.state === "waiting" || row.state === "backing-up") && !held) {
        if (await change(row, { state: "cancelled", finished_at: now() })) {
          await backups.cancel(row);
          await audit.write(caller.name, `host.${row.kind}-cancel`, row.host_id, { command_id: id });
          return toCommand(await find(caller, key, id));
        }
      }
      throw new CodedError({
        code: "command.taken",
        title: "The machine has it already, or it is over",
        fix: "Wait for its end; afterwards roll back.",
        status: 409,
        exit: EX.USAGE,
      });
    },
  };
}

export function createCommandsFeature(core: HubCore): HubFeature {
  const commands = createCommands(core);
  const vms = createVms(core, commands);
  let timer: ReturnType<typeof setInterval> | undefined;
  return {
    routes(api) {
      commandRoutes(api, commands);
      vmRoutes(api, vms);
    },
    async start() {
      timer = setInterval(
        () =>
          void commands
            .sweep()
            .catch((error: unknown) => log.error("commands could not be looked at", error)),
        SWEEP_MS,
      );
    },
    async close() {
      clearInterval(timer);
    },
  };
}
