/** One after another where two at once would hurt. */
export class Turns {
  #last = new Map<string, Promise<unknown>>();
  /** Runs one after another for each key. */
  async take<T>(key: string, run: () => T | Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const mine = before.then(run, run);
    const settled = mine.then(
      () => {},
      () => {},
    );
    this.#last.set(key, settled);
    try {
      return await mine;
    } finally {
      if (this.#last.get(key) === settled) this.#last.delete(key);
    }
  }
}
