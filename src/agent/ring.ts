/** The last bytes of an endless output, addressed by their offset in it. Grows to its capacity as it is needed. */
export class Ring {
  readonly capacity: number;
  #bytes = new Uint8Array(0);
  #end = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  /** Offset behind the last byte: how much was ever written. */
  get end(): number {
    return this.#end;
  }

  /** Offset of the oldest byte that is still here. */
  get start(): number {
    return Math.max(0, this.#end - this.capacity);
  }

  push(chunk: Uint8Array): void {
    let bytes = chunk;
    if (bytes.length > this.capacity) {
      this.#end += bytes.length - this.capacity;
      bytes = bytes.subarray(bytes.length - this.capacity);
    }
    if (this.#bytes.length < this.capacity) this.#grow(this.#end + bytes.length);
    const at = this.#end % this.capacity;
    const first = Math.min(bytes.length, this.capacity - at);
    this.#bytes.set(bytes.subarray(0, first), at);
    this.#bytes.set(bytes.subarray(first), 0);
    this.#end += bytes.length;
  }

  /** A copy of at most `max` bytes from `offset` on; `offset` lies between start and end. */
  slice(offset: number, max: number): Uint8Array {
    const at = offset % this.capacity;
    return this.#bytes.slice(at, at + Math.min(max, this.#end - offset, this.capacity - at));
  }

  /** Before the ring first wraps, offset and position agree: growing is a plain copy. */
  #grow(need: number): void {
    const wanted = Math.min(need, this.capacity);
    if (wanted <= this.#bytes.length) return;
    const size = Math.min(this.capacity, Math.max(wanted, this.#bytes.length * 2, 4096));
    const grown = new Uint8Array(size);
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}
