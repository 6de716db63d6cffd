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
  throw notConfirmed("Run it again and type the name, or give --yes.");
}

/** As {@link confirmByName}, but a script has to name it too, as `given`: what goes may be the only copy. */
export function confirmTyped(
  what: string,
  name: string,
  given: string | undefined,
  at: Asking = terminal,
): void {
  const typed = given ?? (at.interactive ? at.ask(`${what} Type ${name} to go on:`)?.trim() : undefined);
  if (typed === name) return;
  throw notConfirmed(`${what} Its name is ${name}: run it again and type that, or give --name.`);
}

function notConfirmed(fix: string): CodedError {
  return new CodedError({
    code: "cli.not-confirmed",
    title: "Nothing was changed: the name was not typed",
    fix,
    exit: EX.USAGE,
  });
}
