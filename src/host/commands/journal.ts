/**
 * Commands of the hub on this machine's disk: written, and fsynced, before the hub is told that they are here, and
 * kept as long as the hub has not heard how they ended. Those that are over stay a while, so that one that is
 * delivered again is known. Beside them a log that is only ever added to.
 */
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { commandOrderSchema } from "../../contract/host-verbs/commands.ts";
import { problemSchema } from "../../contract/problem.ts";
import { messageOf } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import { writeStateFile } from "../../core/state-file.ts";

const log = logger("commands");
const KEPT = 50;

export const recordSchema = commandOrderSchema.extend({
  state: z.enum(["accepted", "running", "done", "failed"]),
  received_at: z.iso.datetime(),
  finished_at: z.iso.datetime().nullable(),
  /** How often it was begun: a power cut in the middle begins it again. */
  begun: z.number().int(),
  detail: z.string().nullable(),
  problem: problemSchema.nullable(),
  /** The hub took the end of it. */
  told: z.boolean(),
});
export type CommandRecord = z.infer<typeof recordSchema>;

export interface Journal {
  get(id: string): CommandRecord | undefined;
  /** Oldest first. */
  all(): CommandRecord[];
  save(record: CommandRecord): void;
  note(what: string, record: CommandRecord): void;
}

/** Of one that may never have had a command; changes nothing. */
export function lastCommand(dir: string): CommandRecord | undefined {
  if (!existsSync(dir)) return undefined;
  return readdirSync(dir)
    .filter((name) => name.endsWith(".json"))
    .flatMap((name) => {
      const read = recordSchema.safeParse(JSON.parse(readFileSync(join(dir, name), "utf8")));
      return read.success ? [read.data] : [];
    })
    .sort((a, b) => a.received_at.localeCompare(b.received_at))
    .at(-1);
}

export function openJournal(dir: string): Journal {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const records = new Map<string, CommandRecord>();
  for (const name of readdirSync(dir)) {
    if (!name.endsWith(".json")) continue;
    try {
      const record = recordSchema.parse(JSON.parse(readFileSync(join(dir, name), "utf8")));
      records.set(record.command_id, record);
    } catch (error) {
      log.error("a command cannot be read any more", { name, why: messageOf(error) });
    }
  }
  const all = () => [...records.values()].sort((a, b) => a.received_at.localeCompare(b.received_at));
  return {
    get: (id) => records.get(id),
    all,
    save(record) {
      writeStateFile(join(dir, `${record.command_id}.json`), record);
      records.set(record.command_id, record);
      const over = all().filter((one) => one.told);
      for (const old of over.slice(0, Math.max(0, over.length - KEPT))) {
        rmSync(join(dir, `${old.command_id}.json`), { force: true });
        records.delete(old.command_id);
      }
    },
    note(what, { command_id, kind, version, vm, problem }) {
      const line = {
        at: new Date().toISOString(),
        what,
        command_id,
        kind,
        version,
        vm: vm?.name,
        code: problem?.code,
      };
      appendFileSync(join(dir, "audit.log"), `${JSON.stringify(line)}\n`, { mode: 0o600 });
      log.info(`command ${what}`, { command_id, kind, version });
    },
  };
}
