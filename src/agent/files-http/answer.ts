/** What the routes of files share: problems as the hub's API has them, and writing that waits for the reader. */
import type { ServerResponse } from "node:http";
import { encodePath } from "../../contract/path-bytes.ts";
import { CodedError, toProblem } from "../../core/errors.ts";

export function sendProblem(res: ServerResponse, error: unknown, headers: Record<string, string> = {}): void {
  if (res.headersSent) {
    res.destroy();
    return;
  }
  const { exit: _exit, ...visible } = toProblem(error);
  res.writeHead(visible.status ?? 500, {
    ...headers,
    "content-type": "application/problem+json",
    "cache-control": "no-store",
  });
  res.end(JSON.stringify(visible));
}

/** Resolves when there is room for more; rejects when the reader went away. */
export async function writeOut(res: ServerResponse, bytes: Uint8Array): Promise<void> {
  if (res.destroyed) throw readerGone();
  if (res.write(bytes)) return;
  await new Promise<void>((resolve, reject) => {
    const settle = (done: () => void) => () => {
      res.off("drain", drained);
      res.off("close", closed);
      done();
    };
    const drained = settle(resolve);
    const closed = settle(() => reject(readerGone()));
    res.once("drain", drained);
    res.once("close", closed);
  });
}

function readerGone(): CodedError {
  return new CodedError({ code: "download.abandoned", title: "The reader went away", status: 499 });
}

/** RFC 6266; the plain form is left out, because browsers of the last ten years know this one. */
export function attachment(name: string): string {
  return `attachment; filename*=UTF-8''${encodePath(name).replaceAll("/", "%2F")}`;
}
