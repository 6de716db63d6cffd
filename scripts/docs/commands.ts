/** The command line as it is: every command of both programs, with its arguments. */
import type { ArgsDef, CommandDef } from "citty";

export interface CommandPage {
  /** `cocalc-hub project start` */
  path: string[];
  description: string;
  args: ArgsDef;
}

// biome-ignore lint/suspicious/noExplicitAny: citty's own type for commands of differing arguments
type AnyCommand = CommandDef<any>;

async function value<T>(of: T | Promise<T> | (() => T | Promise<T>) | undefined): Promise<T | undefined> {
  return typeof of === "function" ? await (of as () => T | Promise<T>)() : await of;
}

export async function commandPages(root: AnyCommand, path: string[] = []): Promise<CommandPage[]> {
  const meta = await value(root.meta);
  const here = path.length > 0 ? path : [meta?.name ?? "command"];
  const subs = await value(root.subCommands);
  const pages: CommandPage[] = [];
  if (root.run !== undefined) {
    pages.push({ path: here, description: meta?.description ?? "", args: (await value(root.args)) ?? {} });
  }
  for (const [name, sub] of Object.entries(subs ?? {})) {
    pages.push(...(await commandPages((await value(sub)) as AnyCommand, [...here, name])));
  }
  return pages;
}
