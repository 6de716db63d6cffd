import { CodedError, EX } from "../../core/errors.ts";

/** Of what cannot be taken back. */
export const yesFlag = {
  yes: { type: "boolean" as const, description: "Do not ask for the name first" },
};

export interface Asking {
  interactive: boolean;
  ask: (question: string) => string | null;
}

const terminal: Asking = {
  get interactive() {
    return process.stdin.isTTY === true;
  },
  ask: (question) => prompt(question),
};

/**
 * A person at a terminal types the name of what goes for good; a script has no terminal, and means what it says.
 * Errors: `cli.not-confirmed`.
 */
export function confirmByName(what: string, name: string, yes: boolean, at: Asking = terminal): void {
  if (yes || !at.interactive) return;
  if (at.ask(`${what} Type ${name} to go on:`)?.trim() === name) return;
  throw new CodedError({
    code: "cli.not-confirmed",
    title: "Nothing was changed: the name was not typed",
    fix: "Run it again and type the name, or give --yes.",
    exit: EX.USAGE,
  });
}
