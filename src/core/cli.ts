/**
 * A strict command line over citty, which by itself ignores unknown flags with status 0. Unknown command, unknown
 * flag, missing argument: status 64 with the nearest name. Results go to stdout, talk to stderr.
 *
 * @example
 * export default command({
 *   meta: { name: "list", description: "Lists the hosts" },
 *   args: { ...common },
 *   async run({ args }) { print(args, await client.hosts.list(), table) },
 * });
 */
import { type ArgDef, type ArgsDef, type CommandDef, defineCommand, parseArgs, renderUsage } from "citty";
import { CodedError, EX, toProblem } from "./errors.ts";
import { nearest } from "./nearest.ts";

export type { ArgsDef, CommandDef } from "citty";
export const command = defineCommand;

/** Flags that every command takes. */
export const common = {
  json: { type: "boolean", description: "Print JSON" },
  "data-dir": {
    type: "string",
    valueHint: "DIR",
    description: "Where state lives, instead of ~/.local/share/cocalc",
  },
} as const satisfies ArgsDef;

// biome-ignore lint/suspicious/noExplicitAny: citty's own type for commands of differing arguments
type AnyCommand = CommandDef<any>;
// biome-ignore lint/suspicious/noExplicitAny: as above; a module's default export
export type Lazy = () => Promise<CommandDef<any>>;

function usage(code: string, title: string, fix: string): CodedError {
  return new CodedError({ code: `cli.${code}`, title, fix, exit: EX.USAGE });
}

async function resolve<T>(
  value: T | Promise<T> | (() => T | Promise<T>) | undefined,
): Promise<T | undefined> {
  return typeof value === "function" ? await (value as () => T | Promise<T>)() : await value;
}

/** What follows `--`: belongs to the command that is run, untouched. */
export function afterDashes(rawArgs: string[]): string[] {
  const at = rawArgs.indexOf("--");
  return at < 0 ? [] : rawArgs.slice(at + 1);
}

function aliases(def: ArgDef): string[] {
  if (!("alias" in def) || def.alias === undefined) return [];
  return typeof def.alias === "string" ? [def.alias] : def.alias;
}

/** Throws `cli.*` for whatever citty would let pass. */
export function checkArgs(path: string, rawArgs: string[], defs: ArgsDef): void {
  const flags = new Map<string, ArgDef>();
  const positionals: [string, ArgDef][] = [];
  for (const [name, def] of Object.entries(defs)) {
    if (def.type === "positional") positionals.push([name, def]);
    else for (const flag of [name, ...aliases(def)]) flags.set(flag, def);
  }
  const help = `See ${path} --help.`;
  let given = 0;
  const before = rawArgs.includes("--") ? rawArgs.slice(0, rawArgs.indexOf("--")) : rawArgs;
  for (let at = 0; at < before.length; at++) {
    const word = before[at] ?? "";
    if (!word.startsWith("-") || word === "-") {
      given += 1;
      if (given > positionals.length)
        throw usage("unexpected-argument", `${path} does not expect “${word}”`, help);
      continue;
    }
    const [flag = "", value] = word.replace(/^--?/, "").split(/=(.*)/s);
    const def = flags.get(flag) ?? (flag.startsWith("no-") ? flags.get(flag.slice(3)) : undefined);
    if (def === undefined) {
      const near = nearest(flag, [...flags.keys(), "help"]);
      throw usage(
        "unknown-flag",
        `${path} has no flag --${flag}`,
        near ? `Did you mean --${near}? ${help}` : help,
      );
    }
    if (def.type === "boolean" || def.type === undefined) {
      if (value !== undefined) throw usage("flag-takes-no-value", `--${flag} takes no value`, help);
      continue;
    }
    const taken = value ?? before[at + 1];
    if (taken === undefined || (value === undefined && taken.startsWith("--"))) {
      throw usage("missing-value", `--${flag} needs a value`, help);
    }
    if (def.type === "enum" && def.options && !def.options.includes(taken)) {
      const near = nearest(taken, def.options);
      throw usage(
        "bad-value",
        `--${flag} cannot be “${taken}”`,
        `${near ? `Did you mean ${near}? ` : ""}One of: ${def.options.join(", ")}.`,
      );
    }
    if (value === undefined) at += 1;
  }
  for (const [index, [name, def]] of positionals.entries()) {
    if (index >= given && def.required !== false && def.default === undefined) {
      throw usage(
        "missing-argument",
        `${path} needs <${name}>`,
        def.description ? `${def.description}. ${help}` : help,
      );
    }
  }
  for (const [name, def] of flags) {
    const there = before.some((word) => word === `--${name}` || word.startsWith(`--${name}=`));
    if (def.required === true && !there) throw usage("missing-flag", `${path} needs --${name}`, help);
  }
}

async function walk(
  root: AnyCommand,
  argv: string[],
): Promise<{ cmd: AnyCommand; path: string[]; rest: string[] }> {
  const path = [(await resolve(root.meta))?.name ?? "command"];
  let cmd = root;
  let rest = argv;
  for (;;) {
    const subs = await resolve(cmd.subCommands);
    const word = rest[0];
    if (subs === undefined || word === undefined || word.startsWith("-")) return { cmd, path, rest };
    const found = subs[word];
    if (found === undefined) {
      const near = nearest(word, Object.keys(subs));
      throw usage(
        "unknown-command",
        `${path.join(" ")} has no command “${word}”`,
        `${near ? `Did you mean ${near}? ` : ""}See ${path.join(" ")} --help.`,
      );
    }
    cmd = (await resolve(found)) as AnyCommand;
    path.push(word);
    rest = rest.slice(1);
  }
}

/** Throws `cli.*` unless `argv` names a command and gives it what it takes. */
export async function checkCommand(root: AnyCommand, argv: string[]): Promise<void> {
  const { cmd, path, rest } = await walk(root, argv);
  if (cmd.run === undefined)
    throw usage("missing-command", `${path.join(" ")} needs a command`, `See ${path.join(" ")} --help.`);
  checkArgs(path.join(" "), rest, (await resolve(cmd.args)) ?? {});
}

/** citty colours it wherever it goes, and names the last word of the command alone. */
async function help(cmd: AnyCommand, path: string[], to: { isTTY?: boolean }): Promise<string> {
  const above = path.slice(0, -1).join(" ");
  const text = await renderUsage(cmd, above === "" ? undefined : { meta: { name: above } });
  return `${to.isTTY ? text : Bun.stripANSI(text)}\n`;
}

/** Runs the command that `argv` names; returns the exit status. */
export async function runCli(
  root: AnyCommand,
  argv: string[],
  version: Record<string, string>,
): Promise<number> {
  const own = argv.includes("--") ? argv.slice(0, argv.indexOf("--")) : argv;
  const json = own.includes("--json");
  try {
    if (own[0] === "--version" || own[0] === "-v") {
      process.stdout.write(
        json ? `${JSON.stringify(version)}\n` : `${version.version} (${version.commit})\n`,
      );
      return EX.OK;
    }
    const { cmd, path, rest } = await walk(root, argv);
    const asked = rest.includes("--") ? rest.slice(0, rest.indexOf("--")) : rest;
    if (asked.includes("--help") || asked.includes("-h")) {
      process.stdout.write(await help(cmd, path, process.stdout));
      return EX.OK;
    }
    if (cmd.run === undefined) {
      process.stderr.write(await help(cmd, path, process.stderr));
      throw usage("missing-command", `${path.join(" ")} needs a command`, `See ${path.join(" ")} --help.`);
    }
    const defs = (await resolve(cmd.args)) ?? {};
    checkArgs(path.join(" "), rest, defs);
    // What follows `--` is the other command's: citty must not read it.
    const parsed = parseArgs(asked, defs);
    await cmd.run({ rawArgs: rest, args: parsed, cmd });
    return typeof process.exitCode === "number" ? process.exitCode : EX.OK;
  } catch (error) {
    printError(error, json);
    return error instanceof CodedError ? error.exit : EX.SOFTWARE;
  }
}

/** A failure as a person reads it, or as problem+json with `--json`. */
export function printError(error: unknown, json: boolean): void {
  const problem = toProblem(error);
  if (json) {
    process.stderr.write(`${JSON.stringify(problem)}\n`);
    return;
  }
  const lines = [`error: ${problem.title}  [${problem.code}]`];
  if (problem.why) lines.push(`  why: ${problem.why}`);
  for (const field of problem.errors ?? []) lines.push(`  ${field.path}: ${field.message}`);
  if (problem.fix) lines.push(`  fix: ${problem.fix}`);
  if (problem.command) lines.push(`  run: ${problem.command}`);
  process.stderr.write(`${lines.join("\n")}\n`);
}

/** A command's result: JSON when asked for, else what `text` makes of it. */
export function print<T>(args: { json?: boolean | undefined }, value: T, text: (value: T) => string): void {
  process.stdout.write(`${args.json ? JSON.stringify(value) : text(value)}\n`);
}

/** Columns aligned by their widest cell; header first. */
export function table(header: string[], rows: string[][]): string {
  const widths = header.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd();
  return [line(header), ...rows.map(line)].join("\n");
}
