/**
 * Finds the window title in terminal output: OSC 0 and 2 (`ESC ] 0 ; text BEL`), across chunks. The text is the
 * program's own and hostile: control characters are dropped, and it is cut.
 */
const MAX_TITLE_BYTES = 300;
const ESC = 0x1b;
const BEL = 0x07;

export class TitleScanner {
  #state: "text" | "escape" | "kind" | "title" | "title-escape" | "skip" = "text";
  #kind = "";
  #title: number[] = [];
  #onTitle: (title: string) => void;

  constructor(onTitle: (title: string) => void) {
    this.#onTitle = onTitle;
  }

  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#state === "text") {
        // Most output holds no escape at all: indexOf is native and fast.
        const found = bytes.indexOf(ESC, at);
        if (found < 0) return;
        this.#state = "escape";
        at = found + 1;
        continue;
      }
      this.#step(bytes[at++]!);
    }
  }

  #step(byte: number): void {
    switch (this.#state) {
      case "escape":
        this.#kind = "";
        this.#title = [];
        this.#state = byte === 0x5d ? "kind" : byte === ESC ? "escape" : "text";
        return;
      case "kind":
        if (byte === 0x3b) this.#state = this.#kind === "0" || this.#kind === "2" ? "title" : "text";
        else if (byte >= 0x30 && byte <= 0x39 && this.#kind.length < 4)
          this.#kind += String.fromCharCode(byte);
        else this.#state = byte === ESC ? "escape" : "text";
        return;
      case "title":
        if (byte === BEL) this.#finish();
        else if (byte === ESC) this.#state = "title-escape";
        else if (this.#title.length < MAX_TITLE_BYTES) this.#title.push(byte);
        else this.#state = "text";
        return;
      case "title-escape":
        if (byte === 0x5c) this.#finish();
        else {
          this.#state = "escape";
          this.#step(byte);
        }
        return;
    }
  }

  #finish(): void {
    this.#state = "text";
    const text = new TextDecoder().decode(new Uint8Array(this.#title));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: dropping them is the point
    this.#onTitle(text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, ""));
  }
}
