/** HTTP over a connection of the host: the files of this project, as files-http.ts in the contract describes it. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { z } from "zod";
import { parseFilesPath, TUS_VERSION, VIEW_HEADER } from "../../contract/files-http.ts";
import { decodePath } from "../../contract/path-bytes.ts";
import { CodedError } from "../../core/errors.ts";
import { resolvePath } from "../paths.ts";
import { seenPath } from "../shared-files.ts";
import { sendProblem } from "./answer.ts";
import { holdBack } from "./hold-back.ts";
import { serveUploads } from "./tus.ts";
import { UploadStore } from "./upload-store.ts";

const viewSchema = z.array(z.string());
/** Longer than the host keeps an idle connection: it must not send into one that ends just then. */
const IDLE_MS = 30_000;

export interface FilesServer {
  accept(socket: Socket, early: Uint8Array): void;
}

function queryOf(rest: string): { paths: string[]; format: string } {
  const at = rest.indexOf("?");
  const paths: string[] = [];
  let format = "";
  for (const pair of at < 0 ? [] : rest.slice(at + 1).split("&")) {
    const [key, value = ""] = pair.split("=", 2);
    if (key === "format") format = value;
    if (key !== "path") continue;
    const path = decodePath(value);
    if (path === undefined || path.includes("\0") || path.length > 4096) {
      throw new CodedError({ code: "file.bad-path", title: "That is no path", status: 400 });
    }
    paths.push(path);
  }
  return { paths, format };
}

/** What a viewer sees; undefined for whoever sees all. */
function viewOf(req: IncomingMessage): string[] | undefined {
  const header = req.headers[VIEW_HEADER];
  if (header === undefined) return undefined;
  return viewSchema.parse(JSON.parse(decodeURIComponent(String(header))));
}

export function createFilesServer(home: string): FilesServer {
  const store = new UploadStore(`${home}/.local/share/cocalc/uploads`);

  async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const path = parseFilesPath(req.url ?? "");
    if (!path) throw new CodedError({ code: "route.not-found", title: "There is no such page", status: 404 });
    const view = viewOf(req);
    if (path.verb === "uploads" && view === undefined) {
      const prefix = `/${path.project_id}/files`;
      await serveUploads(req, res, { store, home, prefix, id: path.upload_id });
      return;
    }
    if (path.verb === "uploads")
      throw new CodedError({ code: "view.refused", title: "A viewer may only read", status: 403 });
    const { paths, format } = queryOf(path.rest);
    const resolved = await Promise.all(
      paths.map(async (one) => (view ? await seenPath(home, one, view) : resolvePath(home, one))),
    );
    if (path.verb === "archive") {
      const { sendArchive } = await import("./archive.ts");
      await sendArchive(res, resolved, format, req.method === "HEAD");
      return;
    }
    const [only, ...more] = resolved;
    if (only === undefined || more.length > 0)
      throw new CodedError({ code: "file.bad-path", title: "One path is needed", status: 400 });
    const { sendFile } = await import("./download.ts");
    await sendFile(req, res, only, path.verb);
  }

  const server: Server = createServer();
  const onRequest = (req: IncomingMessage, res: ServerResponse) => {
    holdBack(req);
    serve(req, res).catch((error: unknown) => {
      const tus = (req.url ?? "").includes("/files/uploads");
      // The rest of a body that is not wanted would be taken for the next request.
      sendProblem(res, error, tus ? { "tus-resumable": TUS_VERSION } : {});
      if (!req.complete) req.resume();
    });
  };
  server.on("request", onRequest);
  server.on("checkContinue", (req: IncomingMessage, res: ServerResponse) => {
    res.writeContinue();
    onRequest(req, res);
  });
  server.requestTimeout = 0;
  server.keepAliveTimeout = IDLE_MS;
  return {
    accept(socket, early) {
      if (early.length > 0) socket.unshift(early);
      server.emit("connection", socket);
      socket.resume();
    },
  };
}
