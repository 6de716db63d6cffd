/** Files of a project on the hub's own origin: authorise, grant, relay. What an answer may look like: hygiene.ts. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { accessFor, parseFilesPath } from "../../contract/files-http.ts";
import { decodePath } from "../../contract/path-bytes.ts";
import { renderProblem, wantsPage } from "../../contract/problem-page.ts";
import { CodedError, toProblem } from "../../core/errors.ts";
import { createAgent, relayRequest } from "../../core/relay/relay.ts";
import type { Caller } from "../accounts/caller.ts";
import type { FilesRoute } from "../proxy/directory.ts";
import type { GrantCache } from "../proxy/grant-cache.ts";
import { createLiveWays } from "../proxy/live-ways.ts";
import { type FilesAsk, headersFromAgent, headersToAgent } from "./hygiene.ts";

export interface FilesDoor {
  request(req: IncomingMessage, res: ServerResponse, caller: Caller | null): Promise<void>;
  /** Rights may have changed: ends the transfers of whoever has none any more. */
  recheck(projectId?: string): Promise<void>;
}

export function createFilesDoor(deps: {
  grants: GrantCache;
  /** May this account use the files of this project, and where are they? */
  route(accountId: string, projectId: string): Promise<FilesRoute>;
}): FilesDoor {
  const agent = createAgent();
  const live = createLiveWays(deps.route);

  function fail(req: IncomingMessage, res: ServerResponse, error: unknown): void {
    if (res.headersSent) {
      res.destroy();
      return;
    }
    const answer = renderProblem(toProblem(error), wantsPage(req.headers));
    res.writeHead(answer.status, answer.headers);
    res.end(req.method === "HEAD" ? undefined : answer.body);
    // The connection goes on with the next request once the rest of this one's body is read.
    if (!req.complete) req.resume();
  }

  async function serve(req: IncomingMessage, res: ServerResponse, caller: Caller | null): Promise<void> {
    const url = req.url ?? "";
    const path = parseFilesPath(url);
    const access = path && accessFor(path.verb, req.method ?? "GET");
    if (!caller) throw new CodedError({ code: "auth.required", title: "Sign in first", status: 401 });
    if (!path || !access)
      throw new CodedError({ code: "route.not-found", title: "There is no such page", status: 404 });
    const { account_id } = caller;
    const { project_id, verb } = path;
    const route = await deps.route(account_id, project_id);
    const { host_id, paths } = route;
    if (paths !== undefined && access === "write") {
      throw new CodedError({
        code: "view.refused",
        title: "A viewer may only read",
        fix: "Ask the owner to make you a collaborator.",
        status: 403,
      });
    }
    const grant = await deps.grants.files({ account_id, project_id, access, paths, host_id });
    const query = new Map(
      (path.rest.split("?")[1] ?? "").split("&").map((pair) => pair.split("=", 2) as [string, string]),
    );
    const ask: FilesAsk = {
      verb,
      project_id,
      path: verb === "preview" ? decodePath(query.get("path") ?? "") : undefined,
      scripts: query.get("scripts") === "1",
    };
    const ended = live.hold({
      sub: account_id,
      project_id,
      end: () => res.destroy(),
      // A viewer's download of what is no longer marked, or of one who was a collaborator when it began.
      still: (now) => JSON.stringify((now as FilesRoute).paths) === JSON.stringify(paths),
    });
    res.once("close", ended);
    relayRequest(
      req,
      res,
      {
        agent,
        host: "127.0.0.1",
        port: route.port,
        path: url,
        headersOut: (headers) => headersToAgent(headers, grant),
        headersBack: (headers, status) => headersFromAgent(headers, status, ask),
      },
      (error) => fail(req, res, away(error)),
    );
  }

  return {
    request: (req, res, caller) =>
      serve(req, res, caller).catch((error: unknown) => {
        fail(req, res, error);
      }),
    recheck: live.recheck,
  };
}

/** What a broken way to the host means to whoever waits for the file. */
function away(error: CodedError): CodedError {
  if (error.code !== "proxy.refused" && error.code !== "proxy.broken") return error;
  return new CodedError(
    {
      code: "host.away",
      title: "The project's host does not answer",
      why: error.details.why,
      fix: "It connects again by itself. An upload goes on from where it was.",
      status: 504,
    },
    { cause: error },
  );
}
