/** Whether a machine has memory for one more project, and the line of starts that found none. */
const MIB = 2 ** 20;
/** Below this an agent and a shell would push others out. */
const LEAST_BYTES = 256 * MIB;
const LEAST_SHARE = 0.05;

/** Pure. */
export function hasRoom(availableBytes: number, totalBytes: number): boolean {
  return availableBytes >= Math.max(LEAST_BYTES, totalBytes * LEAST_SHARE);
}

/** The machine is full: whoever came first goes first, once something ends. */
export class FullLine {
  readonly #room: () => boolean;
  readonly #pollMs: number;
  #line: symbol[] = [];

  constructor(room: () => boolean, pollMs = 1_000) {
    this.#room = room;
    this.#pollMs = pollMs;
  }

  get length(): number {
    return this.#line.length;
  }

  /** Returns when it is this one's turn, or is no longer `wanted`. `tell`: the place in line, from 1, when it changes. */
  async wait(wanted: () => boolean, tell: (place: number) => void): Promise<void> {
    if (this.#line.length === 0 && this.#room()) return;
    const mine = Symbol("a start");
    this.#line.push(mine);
    let told = 0;
    try {
      while (wanted()) {
        const place = this.#line.indexOf(mine) + 1;
        if (place === 1 && this.#room()) return;
        if (place !== told) tell(place);
        told = place;
        await Bun.sleep(this.#pollMs);
      }
    } finally {
      this.#line = this.#line.filter((one) => one !== mine);
    }
  }
}
