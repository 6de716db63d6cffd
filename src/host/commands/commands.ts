/**
 * Commands of the hub to this machine itself. Taken once each, by id; what was taken is reconciled every few seconds
 * with what the machine does, so that it goes on after a restart or a power cut; its end is told until the hub took it.
 */
import { join } from "node:path";
import type { CommandOrder, CommandStatus } from "../../contract/host-verbs/commands.ts";
import { problemSchema } from "../../contract/problem.ts";
import { vmActSchema } from "../../contract/vms.ts";
import { messageOf, type ProblemDetails, toProblem } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import { VERSION } from "../../core/version.ts";
import type { HostCore, HostFeature } from "../core.ts";
import { readUpgradeRecord } from "../machine/upgrade-record.ts";
import { decide, isOfVm, MAX_BEGUN } from "./decide.ts";
import { type CommandRecord, type Journal, openJournal } from "./journal.ts";

const log = logger("commands");
const RECONCILE_MS = 2_000;
/** After a hub that did not take what it was told: one of a version before there were commands never will. */
const TELL_AGAIN_MS = 30_000;

export function createCommands(
  host: Pick<HostCore, "paths" | "helper" | "link">,
  readUpgrade: typeof readUpgradeRecord = readUpgradeRecord,
) {
  let opened: Journal | undefined;
  const journal = () => {
    opened ??= openJournal(join(host.paths.dir, "commands"));
    return opened;
  };
  let timer: ReturnType<typeof setInterval> | undefined;
  let busy = false;
  let tellFrom = 0;
  /** Of virtual machines, which take their time: a daemon that restarts has none, and begins again. */
  const underWay = new Set<string>();

  const statusOf = (record: CommandRecord): CommandStatus => ({
    command_id: record.command_id,
    state: record.state === "accepted" ? "running" : record.state,
    detail: record.detail,
    version: VERSION,
    problem: record.problem,
  });

  function finish(record: CommandRecord, problem: ProblemDetails | null): CommandRecord {
    const ended: CommandRecord = {
      ...record,
      state: problem ? "failed" : "done",
      problem: problem && problemSchema.parse(problem),
      // It was good for one machine, and is of no more use.
      vm: record.vm ? { ...record.vm, token: null } : record.vm,
      finished_at: new Date().toISOString(),
    };
    journal().save(ended);
    journal().note(ended.state, ended);
    return ended;
  }

  async function tell(record: CommandRecord): Promise<void> {
    if (!host.link().isConnected() || Date.now() < tellFrom) return;
    try {
      await host.link().tell("command-status", statusOf(record));
    } catch (error) {
      tellFrom = Date.now() + TELL_AGAIN_MS;
      throw error;
    }
    if (record.finished_at !== null) journal().save({ ...record, told: true });
  }

  async function begin(record: CommandRecord): Promise<void> {
    const begun: CommandRecord = { ...record, state: "running", begun: record.begun + 1 };
    // Before it happens: what it starts may end this very process.
    journal().save(begun);
    journal().note(begun.begun === 1 ? "begun" : "begun again", begun);
    const { command_id, kind, version } = record;
    if (kind !== "upgrade" && kind !== "rollback") {
      underWay.add(command_id);
      void workOnVm(begun).finally(() => underWay.delete(command_id));
      return;
    }
    try {
      await host.helper.call("machine.upgrade", { command_id, kind, version });
    } catch (error) {
      await tell(finish(begun, toProblem(error)));
    }
  }

  async function workOnVm(record: CommandRecord): Promise<void> {
    const { kind, vm, begun } = record;
    let problem: ProblemDetails | null = null;
    try {
      await host.helper.call("vm.act", {
        act: vmActSchema.parse(kind.slice("vm-".length)),
        name: vm?.name ?? "",
        size: vm?.size ?? {},
        token: vm?.token ?? null,
        again: begun > 1,
      });
    } catch (error) {
      problem = toProblem(error);
      // It restarts, and what it began goes on without it: begun again, that is found.
      if (problem.code === "helper.away" && begun < MAX_BEGUN) return;
    }
    const ended = finish(journal().get(record.command_id) ?? record, problem);
    await tell(ended).catch((error: unknown) => log.warn("commands", { why: messageOf(error) }));
  }

  async function isActive(record: CommandRecord): Promise<boolean | undefined> {
    if (isOfVm(record.kind)) return underWay.has(record.command_id);
    try {
      return (await host.helper.call("machine.upgrading", {})).active;
    } catch {
      return undefined; // the helper is one of the services that restart
    }
  }

  async function reconcile(): Promise<void> {
    for (const record of journal().all()) {
      if (record.told) continue;
      const active = record.state === "running" ? await isActive(record) : undefined;
      const next = decide(record, { upgrade: readUpgrade(), active });
      if (next.do === "begin") await begin(record);
      else if (next.do === "finish") await tell(finish(record, next.problem));
      else if (next.do === "tell") await tell(record);
      else if (next.do === "wait" && next.detail !== null && next.detail !== record.detail) {
        const further = { ...record, detail: next.detail };
        journal().save(further);
        await tell(further);
      }
    }
  }
  async function round(): Promise<void> {
    if (busy) return;
    busy = true;
    try {
      await reconcile();
    } catch (error) {
      log.warn("commands", { why: messageOf(error) });
    } finally {
      busy = false;
    }
  }

  const feature: HostFeature = {
    async start() {
      journal();
      timer = setInterval(() => void round(), RECONCILE_MS);
    },
    close: () => clearInterval(timer),
  };
  return {
    feature,
    reconcile: round,
    handlers: {
      "command.deliver": async (order: CommandOrder): Promise<CommandStatus> => {
        const known = journal().get(order.command_id);
        if (known) return statusOf(known);
        const record: CommandRecord = {
          ...order,
          state: "accepted",
          received_at: new Date().toISOString(),
          finished_at: null,
          begun: 0,
          detail: null,
          problem: null,
          told: false,
        };
        journal().save(record);
        journal().note("accepted", record);
        return statusOf(record);
      },
    },
  };
}
