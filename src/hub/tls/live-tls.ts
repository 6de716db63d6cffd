/** The certificates as they are now: looked at again each hour and when the hub's names or addresses have changed. */
import { CodedError } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import { loadTls, type Tls } from "./tls.ts";

const log = logger("tls");
/** A certificate that the admin's tool renewed is taken up within this time. */
const LOOK_MS = 3_600_000;
/** An address that came since, by DHCP after a fast start or on another network, stands in it within this time. */
const NAMES_MS = 5_000;

export interface LiveTls {
  readonly current: Tls;
  /** Loads them anew; listeners are told when what is shown has changed. A file that cannot be used changes nothing. */
  refresh(): Promise<void>;
  onChange(listener: (tls: Tls) => void): void;
  close(): void;
}

export async function createLiveTls(dir: string, names: () => string[]): Promise<LiveTls> {
  let known = names().join(" ");
  let current = await loadTls(dir, names());
  const listeners: ((tls: Tls) => void)[] = [];
  let refreshing: Promise<void> = Promise.resolve();
  async function look(): Promise<void> {
    try {
      const next = await loadTls(dir, names());
      const same =
        next.people.certPem === current.people.certPem && next.machines.certPem === current.machines.certPem;
      current = next;
      if (same) return;
      log.info("new certificates", { not_after: next.people.notAfter });
      for (const listener of listeners) listener(next);
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      log.error(error.message, { code: error.code, why: error.details.why, fix: error.details.fix });
    }
  }
  /** One after another: two at once would write the same files. */
  const refresh = () => {
    refreshing = refreshing.then(look);
    return refreshing;
  };
  const begin = () => void refresh().catch((error: unknown) => log.error("certificates", error));
  const timers = [
    setInterval(begin, LOOK_MS),
    setInterval(() => {
      const now = names().join(" ");
      if (now === known) return;
      known = now;
      begin();
    }, NAMES_MS),
  ];
  return {
    get current() {
      return current;
    },
    refresh,
    onChange: (listener) => void listeners.push(listener),
    close: () => timers.forEach(clearInterval),
  };
}
