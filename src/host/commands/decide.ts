/** What is to be done about a command, from what is on disk. Pure: asked every few seconds, and after each restart. */
import type { ProblemDetails } from "../../core/errors.ts";
import type { UpgradeRecord } from "../machine/upgrade-record.ts";
import type { CommandRecord } from "./journal.ts";

/** A machine that goes down in the middle each time is not made to try for ever. */
export const MAX_BEGUN = 3;

export const isOfVm = (kind: CommandRecord["kind"]) => kind.startsWith("vm-");

export type Decision =
  | { do: "begin" }
  | { do: "wait"; detail: string | null }
  | { do: "finish"; problem: ProblemDetails | null }
  | { do: "tell" }
  | { do: "nothing" };

/** `active`: what it is about is under way; undefined where the helper could not be asked, since it restarts too. */
export function decide(
  record: Pick<CommandRecord, "command_id" | "kind" | "state" | "begun" | "told">,
  seen: { upgrade: UpgradeRecord | undefined; active: boolean | undefined },
): Decision {
  if (record.state === "done" || record.state === "failed") return { do: record.told ? "nothing" : "tell" };
  if (record.state === "accepted") return { do: "begin" };
  const mine = seen.upgrade?.command_id === record.command_id ? seen.upgrade : undefined;
  if (mine && mine.state !== "running") return { do: "finish", problem: mine.problem };
  if (seen.active !== false) return { do: "wait", detail: mine?.step ?? null };
  // It was cut off, with the machine's power most likely: the installer goes on where it was.
  if (record.begun < MAX_BEGUN) return { do: "begin" };
  if (isOfVm(record.kind)) {
    return {
      do: "finish",
      problem: {
        code: "vm.interrupted",
        title: `It was begun ${record.begun} times and did not come to an end`,
        why: "The machine, or the project host on it, ended each time before that.",
        fix: "See what there is, then ask again.",
        command: "multipass list",
      },
    };
  }
  return {
    do: "finish",
    problem: {
      code: "upgrade.interrupted",
      title: `The upgrade was begun ${record.begun} times and did not come to an end`,
      why: "The machine, or the program that upgrades it, ended each time before that.",
      fix: "See its log on that machine, then ask again.",
      ...(mine ? { command: `sudo cat ${mine.log}` } : {}),
    },
  };
}
