/** What an SSH server says first. */
import { createConnection } from "node:net";

const MAX_BANNER = 255;

/** `SSH-2.0-…`, or null when nothing answers in time, or something else does. */
export function bannerOf(host: string, port: number, timeoutMs: number): Promise<string | null> {
  return new Promise((resolve) => {
    let got = "";
    const socket = createConnection({ host, port });
    const finish = (banner: string | null) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(banner);
    };
    const timer = setTimeout(() => finish(null), timeoutMs);
    socket.on("error", () => finish(null));
    socket.on("close", () => finish(null));
    socket.on("data", (chunk: Buffer) => {
      got += chunk.toString("latin1");
      const end = got.indexOf("\n");
      if (end < 0 && got.length <= MAX_BANNER) return;
      const line = got.slice(0, end).trimEnd();
      finish(/^SSH-2\.0-[\x21-\x7e ]+$/.test(line) ? line : null);
    });
  });
}
