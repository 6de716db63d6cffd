/** All terminals of the project, and what may be asked of them. */
import { randomBytes } from "node:crypto";
import { type Terminal as Info, MAX_TERMINALS } from "../contract/project-services.ts";
import { CodedError } from "../core/errors.ts";
import { foreground } from "./activity.ts";
import { childEnv, type Surroundings } from "./child-env.ts";
import { resolvePath } from "./paths.ts";
import { Terminal } from "./terminal.ts";

export class Terminals {
  #around: Surroundings;
  #env: Record<string, string | undefined>;
  #terminals = new Map<string, Terminal>();
  #onChange: () => void;

  constructor(around: Surroundings, env: Record<string, string | undefined>, onChange: () => void) {
    this.#around = around;
    this.#env = env;
    this.#onChange = onChange;
  }

  list(): Info[] {
    return [...this.#terminals.values()].map((terminal) => terminal.info());
  }

  notice(text: string): void {
    for (const terminal of this.#terminals.values()) terminal.notice(text);
  }

  activity(): { viewed: number; programs: string[] } {
    const all = this.list();
    return {
      viewed: all.filter((one) => one.viewers > 0).length,
      programs: all.flatMap((one) => (one.pid === null ? [] : (foreground(one.pid) ?? []))),
    };
  }

  create(options: {
    argv?: string[] | undefined;
    cwd?: string | undefined;
    env?: Record<string, string> | undefined;
    name?: string | undefined;
    rows?: number | undefined;
    cols?: number | undefined;
  }): Info {
    if (this.#terminals.size >= MAX_TERMINALS) {
      throw new CodedError({
        code: "terminal.too-many",
        title: `The project has ${MAX_TERMINALS} terminals already`,
        fix: "Close some.",
        status: 429,
      });
    }
    const terminal_id = randomBytes(8).toString("hex");
    const terminal = new Terminal({
      terminal_id,
      // A login shell, as every terminal program starts one: /etc/profile sets up the project's tools.
      argv: options.argv ?? [this.#around.shell, "-l"],
      cwd: resolvePath(this.#around.home, options.cwd ?? "."),
      env: childEnv(this.#around, this.#env, options.env),
      name: options.name ?? "",
      rows: options.rows ?? 24,
      cols: options.cols ?? 80,
      onChange: this.#onChange,
    });
    this.#terminals.set(terminal_id, terminal);
    this.#onChange();
    return terminal.info();
  }

  get(terminal_id: string): Terminal {
    const terminal = this.#terminals.get(terminal_id);
    if (terminal !== undefined) return terminal;
    throw new CodedError({
      code: "terminal.unknown",
      title: "There is no such terminal",
      why: "It was closed, or the project was restarted since.",
      fix: "Open a new one.",
      status: 404,
    });
  }

  close(terminal_id: string): void {
    this.get(terminal_id).close();
    this.#terminals.delete(terminal_id);
    this.#onChange();
  }

  closeAll(): void {
    for (const terminal of this.#terminals.values()) terminal.close();
    this.#terminals.clear();
  }
}
