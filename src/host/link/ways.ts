/**
 * The ways to the hub's control link: each of its addresses, and its door for machines, on loopback of its own machine
 * or at the end of the tunnel. A hub may tell many addresses that lead nowhere from here, each a time-out long: what
 * worked last goes first, then by turns whatever answers directly and the loopback.
 */
export interface Ways {
  /** `host:port` of the next attempt. */
  next(): Promise<string>;
  /** `host:port` of the last attempt. */
  readonly current: string;
  worked(): void;
  failed(): void;
}

export function createWays(options: {
  /** Asked before each attempt: the hub may tell others while the host runs. */
  direct: () => { addresses: readonly string[]; port: number };
  /** Port of the door for machines, on 127.0.0.1. */
  loopback: () => number;
  /** Those of the addresses where somebody answers now, in their order. */
  answering: (addresses: readonly string[], port: number) => Promise<string[]>;
}): Ways {
  const door = () => `127.0.0.1:${options.loopback()}`;
  const directWays = () => {
    const { addresses, port } = options.direct();
    return addresses.map((address) => ({ address, way: hostPort(address, port) }));
  };
  let good: string | undefined;
  /** Failures since it last worked. */
  let failures = 0;
  let current = directWays()[0]?.way ?? door();

  async function choose(): Promise<string> {
    const direct = directWays();
    if (failures === 0 && good !== undefined) {
      if (good === door() || direct.some(({ way }) => way === good)) return good;
    }
    const turn = good === door() ? failures - 1 : failures;
    if (turn % 2 === 1) return door();
    if (direct.length <= 1) return direct[0]?.way ?? door();
    const up = new Set(
      await options.answering(
        direct.map(({ address }) => address),
        options.direct().port,
      ),
    );
    const there = direct.filter(({ address }) => up.has(address));
    return there[Math.floor(turn / 2) % there.length]?.way ?? door();
  }

  return {
    async next() {
      current = await choose();
      return current;
    },
    get current() {
      return current;
    },
    worked() {
      good = current;
      failures = 0;
    },
    failed() {
      failures += 1;
    },
  };
}

function hostPort(address: string, port: number): string {
  return `${address.includes(":") ? `[${address}]` : address}:${port}`;
}
