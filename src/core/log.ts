import { type ConsolaReporter, createConsola, type LogObject } from "consola";

/** Keys whose values never reach a log. */
const SECRET = /pass(word)?|secret|token|authorization|cookie|private/i;

/** syslog priority by consola level: journald reads `<n>` at the start of a line. */
const PRIORITY = [3, 4, 5, 6, 7, 7];

function redact(key: string, value: unknown): unknown {
  if (key !== "" && SECRET.test(key) && typeof value === "string") return "[redacted]";
  if (value instanceof Error) return { name: value.name, message: value.message, stack: value.stack };
  return value;
}

const json: ConsolaReporter = {
  log(entry: LogObject) {
    const fields: Record<string, unknown> = {};
    const text: string[] = [];
    for (const arg of entry.args) {
      if (arg instanceof Error) fields.error = { name: arg.name, message: arg.message, stack: arg.stack };
      else if (typeof arg === "object" && arg !== null) Object.assign(fields, arg);
      else text.push(String(arg));
    }
    const line = JSON.stringify(
      {
        time: entry.date.toISOString(),
        level: entry.type,
        part: entry.tag || undefined,
        msg: text.join(" "),
        ...fields,
      },
      redact,
    );
    const priority = process.env.JOURNAL_STREAM ? `<${PRIORITY[entry.level] ?? 6}>` : "";
    process.stderr.write(`${priority}${line}\n`);
  },
};

const root = createConsola({ level: process.env.COCALC_LOG_LEVEL === "debug" ? 4 : 3, reporters: [json] });

export type Logger = ReturnType<typeof createConsola>;

/**
 * JSON lines on stderr, one per event.
 * @example logger("tunnel").info("tunnel up", { host_id, rtt_ms: 4.2 })
 */
export function logger(part: string): Logger {
  return root.withTag(part);
}
