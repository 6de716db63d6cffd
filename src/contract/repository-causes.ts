/**
 * What a failed run of rustic, or a refusal of a storage, means: by what rustic, ssh and S3 servers said. Pure: the texts
 * are theirs, seen in real runs. The first that fits counts, so the more exact stand before.
 */
import type { ProblemDetails } from "../core/errors.ts";

const CAUSES: [RegExp, Omit<ProblemDetails, "why">][] = [
  [
    /Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED/i,
    {
      code: "backup.host-key-changed",
      title: "What answers at the hub's SSH port has another key than the hub",
      fix: "If the hub was moved or restored, join this machine again; if not, somebody stands between.",
    },
  ],
  [
    /Permission denied \(publickey|hello message of length|subsystem request failed/i,
    {
      code: "backup.refused",
      title: "The hub's sshd refuses this host's backup key",
      fix: "If the jail for backups does not work on the hub, the check “Backups over SFTP” says why.",
      command: "cocalc-hub doctor",
    },
  ],
  [
    /RequestTimeTooSkewed|request timestamp|clock/i,
    {
      code: "backup.s3-clock",
      title: "The storage refuses the request's time: a clock is wrong",
      fix: "Turn on time synchronisation on the host.",
      command: "timedatectl set-ntp true",
    },
  ],
  [
    /NoSuchBucket|bucket does not exist/i,
    {
      code: "backup.s3-no-bucket",
      title: "There is no such bucket",
      fix: "Make it at your provider, or name another.",
      command: "cocalc-hub backup target --help",
    },
  ],
  [
    /SlowDown|TooManyRequests|status: 429|503 Service/i,
    {
      code: "backup.s3-throttled",
      title: "The storage asks to be left alone for a while",
      fix: "It is tried again at the next run.",
    },
  ],
  [
    /SignatureDoesNotMatch|InvalidAccessKeyId|AccessDenied|XAdminUserNotFound|invalid access key|status: 403/i,
    {
      code: "backup.s3-keys-refused",
      title: "The storage refuses the hub's keys",
      fix: "Set the target again with keys that may list, read, write and delete in this bucket.",
      command: "cocalc-hub backup target --help",
    },
  ],
  [
    /Connection ?refused|FailedToOpenSocket|Connection reset|ConnectionReset|ConnectionClosed|SendRequest|Connection timed out|Could not resolve|No route to host|Network is unreachable|failed to connect|Connection closed|broken pipe|remote process has terminated|not alive|connection request: timeout/i,
    {
      code: "backup.unreachable",
      title: "The way to the repository broke off, or was never there",
      fix: "It is tried again at the next run; see the host's tunnel.",
    },
  ],
  [
    /wrong password|incorrect password|No suitable key found/i,
    {
      code: "backup.wrong-password",
      title: "The repository does not open with the hub's password for it",
      fix: "The repository was replaced, or the hub's secrets were: restore the one that belongs to the other.",
    },
  ],
  [
    /No space left|ENOSPC|unexpected \(temporary\)|Failure/i,
    {
      code: "backup.repository-full",
      title: "The repository took no more data",
      fix: "If its disk is full: free some space there, or let retention keep less; see the Backups page.",
    },
  ],
  [
    /index.*(invalid|deserializ|decrypt|corrupt)|decrypt|Mac check failed/i,
    {
      code: "backup.repository-damaged",
      title: "Something in the repository cannot be read",
      fix: "The hub looks through new files every few minutes and puts a bad one aside; then it works again.",
    },
  ],
];

/** The lines of what rustic said that say something, the last of them. Pure. */
export function whatItSaid(text: string, lines = 4): string {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "" && !/^\[INFO\]|Backtrace|RUST_BACKTRACE/i.test(line))
    .slice(-lines)
    .join("\n");
}

/** Its exit status, as a shell gives it, where somebody else ended it. */
const SIGKILLED = 128 + 9;

/** Undefined unless it was killed, which it can say nothing of itself. Pure. */
export function killed(code: number, what: string): ProblemDetails | undefined {
  if (code !== SIGKILLED) return undefined;
  return {
    code: "backup.killed",
    title: `${what} was killed before its end`,
    why: "rustic was ended by SIGKILL, as the kernel does where memory runs out.",
    fix: "A restore needs about 1 GiB of memory, other runs about 250 MiB. Start it again.",
  };
}

export function causeOf(text: string): Omit<ProblemDetails, "why"> | undefined {
  return CAUSES.find(([pattern]) => pattern.test(text))?.[1];
}
