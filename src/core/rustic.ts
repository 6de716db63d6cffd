/** The program that makes backups. One version is known to do what the proof of a backup relies on. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { CodedError, EX } from "./errors.ts";

export const RUSTIC_VERSION = "0.11.4";

/** Beside our own binary first: what a release brings along was tried with it. */
export function rusticPlaces(executable = process.execPath): string[] {
  return [join(dirname(executable), "rustic"), "/usr/local/bin/rustic", "/usr/bin/rustic"];
}

/** Absolute path. Error `backup.no-rustic` (69). */
export function findRustic(exists: (path: string) => boolean = existsSync): string {
  const found = rusticPlaces().find((path) => exists(path));
  if (found !== undefined) return found;
  throw new CodedError({
    code: "backup.no-rustic",
    title: "rustic, which makes the backups, is not installed",
    why: `Looked in ${rusticPlaces().join(", ")}.`,
    fix: `Put rustic ${RUSTIC_VERSION} in one of these places; it is found at the next backup.`,
    command: `cargo install --locked rustic-rs --version ${RUSTIC_VERSION} --root /usr/local`,
    status: 503,
    exit: EX.UNAVAILABLE,
  });
}
