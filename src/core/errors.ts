/**
 * Errors that travel. Every failure a person may meet has a stable code, says what happened (`message`),
 * why (`cause`, measured, not guessed) and what to do (`fix`). The same object becomes problem+json in the
 * API, a problem block in the UI, and text with an exit code in the CLI.
 */

/** sysexits(3): what a command's exit status says. */
export const EX = {
  OK: 0,
  USAGE: 64,
  DATAERR: 65,
  NOINPUT: 66,
  UNAVAILABLE: 69,
  SOFTWARE: 70,
  OSERR: 71,
  CANTCREAT: 73,
  IOERR: 74,
  TEMPFAIL: 75,
  PROTOCOL: 76,
  NOPERM: 77,
  CONFIG: 78,
} as const;

export interface ProblemDetails {
  /** Stable, dotted, for searching: `tunnel.port-blocked`. */
  code: string;
  /** What happened: names the thing, the machine and the number. */
  title: string;
  /** Why it happened. */
  why?: string | undefined;
  /** What to do. */
  fix?: string | undefined;
  /** A command that does it, to be copied. */
  command?: string | undefined;
  /** HTTP status; 500 unless said. */
  status?: number | undefined;
  /** sysexits status for the CLI; 70 unless said. */
  exit?: number | undefined;
  /** Per field: path (dotted) and message. */
  errors?: { path: string; message: string }[] | undefined;
}

/** An error with a code, a cause and a way out. */
export class CodedError extends Error {
  readonly details: ProblemDetails;
  constructor(details: ProblemDetails, options?: { cause?: unknown }) {
    super(details.title, options);
    this.name = "CodedError";
    this.details = details;
  }
  get code(): string {
    return this.details.code;
  }
  get status(): number {
    return this.details.status ?? 500;
  }
  get exit(): number {
    return this.details.exit ?? EX.SOFTWARE;
  }
}

/** What the file system or SQLite says when nothing can be written, wherever that was. */
function storageProblem(errno: string | undefined, message: string): ProblemDetails | undefined {
  const common = { why: message, status: 507, exit: EX.IOERR };
  if (errno === "ENOSPC" || errno === "SQLITE_FULL" || errno === "EDQUOT") {
    return {
      code: errno === "EDQUOT" ? "disk.quota" : "disk.full",
      title: errno === "EDQUOT" ? "The disk quota is used up" : "The disk is full",
      ...common,
      fix: "Free some space on the file system of the data directory; it then goes on by itself. Nothing that was stored is lost.",
    };
  }
  if (errno === "EROFS" || errno?.startsWith("SQLITE_READONLY")) {
    return {
      code: "disk.read-only",
      title: "The file system is read-only",
      ...common,
      fix: "The kernel does this after errors of a disk: see dmesg. Remount it writable once the cause is known.",
    };
  }
  return undefined;
}

/** Whatever was thrown, as problem details; an unknown error keeps its message and the code `internal`. */
export function toProblem(error: unknown): ProblemDetails {
  if (error instanceof CodedError) return error.details;
  const message = error instanceof Error ? error.message : String(error);
  const storage = storageProblem(errnoOf(error), message);
  if (storage) return storage;
  return { code: "internal", title: message, status: 500, exit: EX.SOFTWARE };
}

/** The text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** `ENOENT` and friends of a system error, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  return typeof error === "object" && error !== null && "code" in error && typeof error.code === "string"
    ? error.code
    : undefined;
}
