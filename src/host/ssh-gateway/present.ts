/** Tells the hub who is logged in right now: all of it at each change, one after the other, so that the last word counts. */
import { MAX_PRESENT, type SshPresent } from "../../contract/host-verbs/ssh.ts";
import { logger } from "../../core/log.ts";

const log = logger("ssh");
/** A program like rsync or an editor opens several connections at once, and short ones. */
const GATHER_MS = 150;

export type Present = SshPresent["logins"][number];

/** Each person, or key of a project, once for each project. */
export function presentOf(logins: readonly Present[]): Present[] {
  const found = new Map<string, Present>();
  for (const login of logins) {
    const who = login.account_id ?? login.fingerprint;
    found.set(`${login.project_id} ${who}`, login);
  }
  return [...found.values()].slice(0, MAX_PRESENT);
}

/** Returns what is called at each login and each end, and when the hub may have forgotten. */
export function tellPresent(deps: {
  logins(): readonly Present[];
  isConnected(): boolean;
  tell(present: SshPresent): Promise<void>;
}): () => void {
  let due = false;
  let telling = false;

  async function tellAll(): Promise<void> {
    telling = true;
    while (due) {
      await Bun.sleep(GATHER_MS);
      due = false;
      // Whoever makes the next link is asked again by it.
      if (!deps.isConnected()) break;
      try {
        await deps.tell({ logins: presentOf(deps.logins()) });
      } catch (error) {
        log.debug("the hub did not hear who is logged in", { why: String(error) });
      }
    }
    telling = false;
  }
  return () => {
    due = true;
    if (!telling) void tellAll();
  };
}
