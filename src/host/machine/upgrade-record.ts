/** How the last upgrade that the hub asked for went: written by root's program, read by the service. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { problemSchema } from "../../contract/problem.ts";
import type { ProblemDetails } from "../../core/errors.ts";
import { INSTALLATION } from "./leave-plan.ts";

export const UPGRADE_RECORD = join(INSTALLATION, "upgrade.json");

export const upgradeRecordSchema = z.object({
  command_id: z.uuid(),
  kind: z.enum(["upgrade", "rollback"]),
  state: z.enum(["running", "done", "failed"]),
  from: z.string(),
  /** What is switched to when this was written. */
  now: z.string(),
  step: z.string(),
  problem: problemSchema.nullable(),
  log: z.string(),
  at: z.iso.datetime(),
});
export type UpgradeRecord = z.infer<typeof upgradeRecordSchema>;

/** Undefined: there was none, or its writer was cut off. */
export function readUpgradeRecord(path = UPGRADE_RECORD): UpgradeRecord | undefined {
  try {
    return upgradeRecordSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined;
  }
}

/** A line of the installer that says what it does now: `[files] the release, to …`. */
export const stepOf = (line: string): string | undefined =>
  /^\[([a-z]+)\] (.+)$/.exec(line)?.[2]?.slice(0, 200);

/** What became of it, from the installer's status and its last words (`error: …`, `  fix: …`). Pure. */
export function judgeInstaller(
  ended: { code: number; said: readonly string[]; log: string },
  versions: { from: string; now: string },
): ProblemDetails | null {
  if (ended.code === 0) return null;
  const last = (pattern: RegExp) =>
    ended.said
      .map((line) => pattern.exec(line)?.[1])
      .filter((found) => found !== undefined)
      .at(-1)
      ?.slice(0, 300);
  const error = last(/^error: (.+)$/) ?? ended.said.at(-1)?.slice(0, 300) ?? "It said nothing.";
  // Of its table: what this machine lacks.
  const red = ended.said.flatMap((line, at) => {
    const found = /^ {2}BAD {2}(.+)$/.exec(line)?.[1];
    const fix = /^ +fix: (.+)$/.exec(ended.said[at + 1] ?? "")?.[1];
    return found === undefined ? [] : [`${found}.${fix === undefined ? "" : ` ${fix}`}`];
  });
  // EX_TEMPFAIL is the installer's word for it; another run's lock has it too.
  const back = ended.code === 75 && /rolled back/.test(error);
  return {
    code: back ? "upgrade.rolled-back" : "upgrade.failed",
    title: back
      ? `The new version did not prove healthy: ${versions.now} runs again`
      : `The upgrade failed: ${error}`,
    why: back
      ? (last(/^(.*did not prove healthy.*)$/) ?? error)
      : [...red, `${versions.now} runs.`].join(" ").slice(0, 600),
    fix: back
      ? `See why in its log on that machine: ${ended.log}`
      : red.length > 0
        ? "Put right what it names, then ask again."
        : (last(/^ {2}fix: (.+)$/) ?? "See its log on that machine."),
    command: `sudo cat ${ended.log}`,
  };
}
