/**
 * The ways to the hub's control link: each of its addresses, and its door for machines, on loopback of its own machine
 * or at the end of the tunnel. A hub may tell many addresses that lead nowhere from here, each a time-out long: what
 * worked last goes first, then by turns whatever answers directly and the loopback.
 */
import { urlHost } from "../../core/url-host.ts";

export interface Endpoints {
  /** `host:port` of the next attempt. */
  next(): Promise<string>;
  /** `host:port` of the last attempt. */
  readonly current: string;
  succeeded(): void;
  failed(): void;
}

export function createEndpoints(options: {
  /** Asked before each attempt: the hub may tell others while the host runs. */
  direct: () => { addresses: readonly string[]; port: number };
  /** Port of the door for machines, on 127.0.0.1. */
  loopback: () => number;
  /** Those of the addresses where somebody answers now, in their order. */
  answering: (addresses: readonly string[], port: number) => Promise<string[]>;
}): Endpoints {
  const door = () => `127.0.0.1:${options.loopback()}`;
  const directEndpoints = () => {
    const { addresses, port } = options.direct();
    return addresses.map((address) => ({ address, endpoint: `${urlHost(address)}:${port}` }));
  };
  let good: string | undefined;
  /** Failures since it last worked. */
  let failures = 0;
  let current = directEndpoints()[0]?.endpoint ?? door();

  async function choose(): Promise<string> {
    const direct = directEndpoints();
    if (failures === 0 && good !== undefined) {
      if (good === door() || direct.some(({ endpoint }) => endpoint === good)) return good;
    }
    const turn = good === door() ? failures - 1 : failures;
    if (turn % 2 === 1) return door();
    if (direct.length <= 1) return direct[0]?.endpoint ?? door();
    const up = new Set(
      await options.answering(
        direct.map(({ address }) => address),
        options.direct().port,
      ),
    );
    const there = direct.filter(({ address }) => up.has(address));
    return there[Math.floor(turn / 2) % there.length]?.endpoint ?? door();
  }

  return {
    async next() {
      current = await choose();
      return current;
    },
    get current() {
      return current;
    },
    succeeded() {
      good = current;
      failures = 0;
    },
    failed() {
      failures += 1;
    },
  };
}
