import { CodedError } from "./errors.ts";

/**
 * Fixed windows: a limiter that slides on every refused try never opens again for whoever keeps trying, and one that
 * keeps a key for each caller for ever is a leak; here all keys go when the window ends.
 */
export class FixedWindow {
  #counts = new Map<string, number>();
  #ends = 0;
  readonly #limit: number;
  readonly #windowMs: number;
  readonly #now: () => number;

  constructor(limit: number, windowMs: number, now: () => number = Date.now) {
    this.#limit = limit;
    this.#windowMs = windowMs;
    this.#now = now;
  }

  /** Counts one try; the one beyond the limit is `rate.limited` (429) with the seconds to wait. */
  take(key: string): void {
    const now = this.#now();
    if (now >= this.#ends) {
      this.#counts.clear();
      this.#ends = now + this.#windowMs;
    }
    const count = (this.#counts.get(key) ?? 0) + 1;
    this.#counts.set(key, count);
    if (count <= this.#limit) return;
    const seconds = Math.ceil((this.#ends - now) / 1000);
    throw new CodedError({
      code: "rate.limited",
      title: "Too many tries",
      why: `At most ${this.#limit} in ${this.#windowMs / 1000} s.`,
      fix: `Try again in ${seconds} s.`,
      status: 429,
      exit: 75,
    });
  }
}
