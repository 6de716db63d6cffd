/**
 * A request or stream handed from one peer to another: payloads pass unread. Credit is end to end, so a relay
 * buffers nothing; it counts it all the same, because a sender that ignores credit would fill this process.
 */
import type { CodedError } from "../core/errors.ts";
import type { Channel, Incoming } from "./caller.ts";
import { decodeU32, EMPTY, FRAME, type FrameType } from "./frame.ts";
import type { Peer } from "./peer.ts";
import { MAX_MESSAGE_BYTES, STREAM_WINDOW_BYTES } from "./stream.ts";
import { disconnected, encodeProblem, protocolError } from "./wire-error.ts";

/** Ends a relay from outside: rights were withdrawn. */
export type Kill = (error: CodedError) => void;

/** Passes `incoming` on to `target`. `done` runs once when it is over. */
export function relay(incoming: Incoming, target: Peer, done: () => void): Kill {
  let over = false;
  const finish = () => {
    if (over) return;
    over = true;
    incoming.release();
    out.release();
    done();
  };
  const isRequest = incoming.kind === "request";
  let accepted = false;
  const ended = { in: false, out: false };
  /** Bytes each side may still send. */
  const allowance = { in: STREAM_WINDOW_BYTES, out: STREAM_WINDOW_BYTES };

  const kill: Kill = (error) => {
    if (over) return;
    const problem = encodeProblem(error);
    incoming.send(isRequest || !accepted ? FRAME.ERROR : FRAME.RESET, problem);
    if (isRequest) out.send(FRAME.CANCEL, EMPTY);
    else out.send(FRAME.RESET, problem);
    finish();
  };

  /** Throws `conat.protocol` at the side that broke the rules: its connection closes, `gone` tells the other. */
  const pass = (from: "in" | "out", type: FrameType, payload: Uint8Array): void => {
    const to = from === "in" ? out.send : incoming.send;
    const other = from === "in" ? "out" : "in";
    if (isRequest) {
      const good = from === "in" ? type === FRAME.CANCEL : type === FRAME.REPLY || type === FRAME.ERROR;
      if (!good) throw protocolError(`frame type ${type} in a request`);
      to(type, payload);
      finish();
      return;
    }
    switch (type) {
      case FRAME.ACCEPT:
        if (from === "in" || accepted) throw protocolError("accepted twice");
        accepted = true;
        break;
      case FRAME.DATA:
        allowance[from] -= payload.length;
        if (allowance[from] < 0 || ended[from]) throw protocolError("bytes without credit");
        break;
      case FRAME.CREDIT:
        allowance[other] += decodeU32(payload);
        if (allowance[other] > STREAM_WINDOW_BYTES) throw protocolError("more credit than the window");
        break;
      case FRAME.MESSAGE:
        if (payload.length > MAX_MESSAGE_BYTES) throw protocolError("a stream message too large");
        break;
      case FRAME.END:
        ended[from] = true;
        break;
      case FRAME.RESET:
      case FRAME.ERROR:
        break;
      default:
        throw protocolError(`frame type ${type} in a stream`);
    }
    to(type, payload);
    if (type === FRAME.RESET || type === FRAME.ERROR || (ended.in && ended.out)) finish();
  };

  const side = (from: "in" | "out"): Channel => ({
    receive: (type, payload) => {
      if (!over) pass(from, type, payload);
    },
    gone: () => kill(disconnected("the other end of the relay went away")),
  });

  const out = target.openChannel(
    isRequest ? FRAME.REQUEST : FRAME.OPEN,
    incoming.subject,
    incoming.json,
    side("out"),
  );
  incoming.attach(side("in"));
  return kill;
}
