/** Joins a byte stream from the host to a port inside the project. */
import { createConnection, type Socket } from "node:net";
import { CodedError, messageOf } from "../core/errors.ts";

const CONNECT_TIMEOUT_MS = 5_000;
const LAST_BYTES_MS = 50;

function connectTo(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ host, port, allowHalfOpen: true, noDelay: true });
    const timer = setTimeout(() => socket.destroy(new Error("no answer")), CONNECT_TIMEOUT_MS);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.removeAllListeners("error");
      resolve(socket);
    });
    socket.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}

/** 127.0.0.1, then ::1: a server may listen on either alone. `splice.refused` when on neither. */
export async function connectLocal(port: number): Promise<Socket> {
  try {
    return await connectTo("127.0.0.1", port);
  } catch {
    try {
      return await connectTo("::1", port);
    } catch (error) {
      throw new CodedError(
        {
          code: "splice.refused",
          title: `Nothing listens on port ${port} in the project`,
          why: messageOf(error),
          fix: "Start the server, and let it listen on 127.0.0.1.",
          status: 502,
        },
        { cause: error },
      );
    }
  }
}

/** Copies both ways with backpressure and half-close; an abort of either side aborts the other. */
export function join(a: Socket, b: Socket): void {
  const one = (from: Socket, to: Socket) => {
    // Not pipe(): under Bun it leaves a socket that was paused asleep, about once in five.
    from.on("data", (bytes: Buffer) => {
      if (to.write(bytes)) return;
      from.pause();
      to.once("drain", () => from.resume());
    });
    from.on("end", () => to.end());
    from.resume();
    from.on("error", () => to.destroy());
    // Gone without having ended: the other side must not wait for more. Bun may tell of the close before it has handed
    // over what came last, so what is left gets a moment, and the other side its end rather than a break.
    from.on("close", (failed: boolean) => {
      if (from.readableEnded) return;
      if (failed) to.destroy();
      else setTimeout(() => to.end(), LAST_BYTES_MS);
    });
  };
  one(a, b);
  one(b, a);
}
