/** Logins that the hub is yet to hear of: on disk, so that those of an hour without a hub are in its audit log too. */
import { appendFileSync, existsSync, readFileSync, rmSync, statSync } from "node:fs";
import { type SshLogin, sshLoginSchema } from "../../contract/host-verbs/ssh.ts";
import { logger } from "../../core/log.ts";
import { writeFileAtomic } from "../../core/state-file.ts";

const log = logger("ssh");
/** Some 20,000 logins; beyond it they are only in this host's own log. */
const MAX_BYTES = 8 * 1024 * 1024;

export interface LoginOutbox {
  add(login: SshLogin): void;
  /** Sends what waits, in order; what could not be sent stays. */
  flush(): Promise<void>;
}

export function createLoginOutbox(path: string, send: (login: SshLogin) => Promise<void>): LoginOutbox {
  let flushing: Promise<void> | undefined;

  function waiting(): SshLogin[] {
    if (!existsSync(path)) return [];
    return readFileSync(path, "utf8")
      .split("\n")
      .flatMap((line) => {
        try {
          return [sshLoginSchema.parse(JSON.parse(line))];
        } catch {
          // The empty end of the file, or a line that a power loss cut.
          return [];
        }
      });
  }

  async function sendAll(): Promise<void> {
    for (let all = waiting(); all.length > 0; all = waiting()) {
      await send(all[0] as SshLogin);
      // Read anew: another may have been added meanwhile.
      const rest = waiting().slice(1);
      if (rest.length === 0) rmSync(path, { force: true });
      else writeFileAtomic(path, rest.map((one) => `${JSON.stringify(one)}\n`).join(""));
    }
  }

  return {
    add(login) {
      log.info("login", { ...login });
      const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
      if (size < MAX_BYTES) appendFileSync(path, `${JSON.stringify(login)}\n`, { mode: 0o600 });
      else log.warn("the hub has been away for too many logins; this one is in this log alone");
    },
    flush() {
      flushing ??= sendAll().finally(() => {
        flushing = undefined;
      });
      return flushing;
    },
  };
}
