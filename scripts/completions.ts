/** Writes completions of both programs for bash, zsh and fish, made from their own commands. usage: completions.ts DIR */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { CommandDef } from "citty";
import { type CommandWords, completions } from "../src/core/completions.ts";

// biome-ignore lint/suspicious/noExplicitAny: commands of differing arguments
type AnyCommand = CommandDef<any>;
const value = async <T>(given: T | Promise<T> | (() => T | Promise<T>) | undefined) =>
  await (typeof given === "function" ? (given as () => T | Promise<T>)() : given);

async function words(cmd: AnyCommand): Promise<CommandWords> {
  const [meta, args, subs] = [await value(cmd.meta), await value(cmd.args), await value(cmd.subCommands)];
  const commands: Record<string, CommandWords> = {};
  for (const [name, sub] of Object.entries(subs ?? {}))
    commands[name] = await words((await value(sub)) as AnyCommand);
  const flags = Object.entries(args ?? {})
    .filter(([, def]) => (def as { type?: string }).type !== "positional")
    .map(([name]) => `--${name}`);
  return { about: meta?.description ?? "", flags: [...flags, "--help"].sort(), commands };
}

const dir = process.argv[2];
if (dir === undefined) throw new Error("usage: completions.ts DIR");
const programs = {
  "cocalc-hub": (await import("../src/bin/cocalc-hub-commands.ts")).root,
  "cocalc-project-host": (await import("../src/bin/cocalc-project-host-commands.ts")).root,
};
for (const [name, root] of Object.entries(programs)) {
  for (const [shell, text] of Object.entries(completions(name, await words(root)))) {
    const file = { bash: name, zsh: `_${name}`, fish: `${name}.fish` }[shell] ?? name;
    mkdirSync(join(dir, shell), { recursive: true });
    writeFileSync(join(dir, shell, file), text);
  }
}
