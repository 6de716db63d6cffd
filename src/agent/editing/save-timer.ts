/** When a document is written: after a pause in the typing, or at least now and then where there is none. */

const SAVE_AFTER_MS = 1_000;
/** Of somebody who never pauses. */
const SAVE_AT_LEAST_MS = 5_000;
const RETRY_MS = 5_000;

export class SaveTimer {
  #save: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Of the oldest change that waits. */
  #since = 0;

  constructor(save: () => void) {
    this.#save = save;
  }

  /** `first`: nothing has waited before it. */
  changed(first: boolean): void {
    const now = Date.now();
    if (first) this.#since = now;
    this.#in(Math.max(0, Math.min(SAVE_AFTER_MS, this.#since + SAVE_AT_LEAST_MS - now)));
  }

  retry(): void {
    this.#in(RETRY_MS);
  }

  /** It is being written. */
  saving(): void {
    this.stop();
    this.#since = Date.now();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #in(ms: number): void {
    this.stop();
    this.#timer = setTimeout(this.#save, ms);
  }
}
