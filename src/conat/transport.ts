/** What carries frames: a WebSocket (`transport-ws.ts`) or a byte stream (`transport-stream.ts`). */
import type { CodedError } from "../core/errors.ts";
import type { Frame } from "./frame.ts";

export interface TransportEvents {
  frame(frame: Frame): void;
  /** Once, last. With an error when it did not close in good order. */
  closed(error?: CodedError): void;
}

export interface Transport {
  /** Called once, at once after making; frames that came before are held. */
  start(events: TransportEvents): void;
  /** Takes an encoded frame. Never throws; a dead transport tells by `closed`. */
  send(frame: Uint8Array): void;
  /** Bytes taken and not yet given to the kernel (or to the browser). */
  readonly buffered: number;
  /** Closes; `closed` follows. `reason` ≤ 123 bytes reaches a WebSocket's other side. */
  close(code?: number, reason?: string): void;
}
