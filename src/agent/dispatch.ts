/** What the agent answers, by name. Loaded at the first request (see services.ts). */
import type { z } from "zod";
import { noResponder } from "../conat/peer.ts";
import type { ConatStream } from "../conat/stream.ts";
import {
  type ProjectRequest,
  type ProjectStreamName,
  projectRequests,
  projectStreams,
} from "../contract/project-services.ts";
import { CodedError } from "../core/errors.ts";
import type { Surroundings } from "./child-env.ts";
import { Terminals } from "./terminals.ts";

/** Heavier parts load at first use: most projects idle most of the time, fifty of them on one machine. */
const lazy = {
  exec: () => import("./exec.ts"),
  files: () => import("./files.ts"),
  write: () => import("./file-write.ts"),
  watch: () => import("./watch.ts"),
  ports: () => import("./ports.ts"),
};

type Input<K extends ProjectRequest> = z.output<(typeof projectRequests)[K]["request"]>;
type Output<K extends ProjectRequest> = z.input<(typeof projectRequests)[K]["reply"]>;

const CHANGED_GATHER_MS = 100;

export interface Dispatch {
  request(name: string, data: unknown): Promise<unknown>;
  stream(name: string, params: unknown, stream: ConatStream): Promise<void>;
  terminals: Terminals;
}

/** `changed` publishes what a list should load anew. */
export function dispatcher(
  around: Surroundings,
  env: Record<string, string | undefined>,
  changed: (what: { kind: "terminals" }) => void,
): Dispatch {
  const { project_id, home } = around;
  const requests = new Map<string, (data: unknown) => unknown>();
  const streams = new Map<string, (params: unknown, stream: ConatStream) => unknown>();
  const started_at = Date.now();

  let gathering = false;
  const terminals = new Terminals(around, env, () => {
    if (gathering) return;
    gathering = true;
    setTimeout(() => {
      gathering = false;
      changed({ kind: "terminals" });
    }, CHANGED_GATHER_MS);
  });

  const request = <K extends ProjectRequest>(
    name: K,
    handler: (data: Input<K>) => Output<K> | Promise<Output<K>>,
  ) =>
    requests.set(name, (data) =>
      handler(valid(() => projectRequests[name].request.parse(data ?? {}) as Input<K>)),
    );
  const stream = (name: ProjectStreamName, handler: (stream: ConatStream, params: unknown) => unknown) =>
    streams.set(name, (params, stream) =>
      handler(
        stream,
        valid(() => projectStreams[name].params.parse(params)),
      ),
    );

  request("hello", () => ({ project_id, pid: process.pid, started_at, home, user: around.user }));
  request("terminal.list", () => ({ terminals: terminals.list() }));
  request("terminal.create", (data) => terminals.create(data));
  request("terminal.close", ({ terminal_id }) => {
    terminals.close(terminal_id);
    return {};
  });
  request("terminal.rename", ({ terminal_id, name }) => {
    const terminal = terminals.get(terminal_id);
    terminal.rename(name);
    return terminal.info();
  });
  request("terminal.restart", ({ terminal_id }) => {
    const terminal = terminals.get(terminal_id);
    terminal.restart();
    return terminal.info();
  });
  stream("terminal.attach", (stream, raw) => {
    const params = raw as z.output<(typeof projectStreams)["terminal.attach"]["params"]>;
    terminals.get(params.terminal_id).attach(stream, params);
  });

  request("files.list", async (data) => await (await lazy.files()).listFolder(home, data));
  request("files.stat", async ({ path }) => {
    const { fileError } = await import("./file-error.ts");
    const { resolvePath } = await import("./paths.ts");
    try {
      return await (await lazy.files()).statEntry(resolvePath(home, path));
    } catch (error) {
      throw fileError(error, path);
    }
  });
  request("files.mkdir", async (data) => {
    await (await lazy.files()).makeFolder(home, data);
    return {};
  });
  request("files.rename", async (data) => {
    await (await lazy.files()).renameEntry(home, data);
    return {};
  });
  request("files.remove", async (data) => {
    await (await lazy.files()).removeEntry(home, data);
    return {};
  });
  request("ports", async () => ({ ports: await (await lazy.ports()).listeningPorts() }));

  stream("exec", async (stream, params) => (await lazy.exec()).exec(stream, params, around, env));
  stream("files.read", async (stream, params) => await (await lazy.files()).sendFile(stream, params, home));
  stream(
    "files.write",
    async (stream, params) => await (await lazy.write()).receiveFile(stream, params, home),
  );
  stream("files.watch", async (stream, params) => (await lazy.watch()).watchPath(stream, params, home));

  const found = <T>(map: Map<string, T>, name: string): T => {
    const handler = map.get(name);
    if (handler === undefined) throw noResponder(`project.${project_id}.${name}`);
    return handler;
  };
  return {
    request: async (name, data) => await found(requests, name)(data),
    stream: async (name, params, stream) => {
      await found(streams, name)(params, stream);
    },
    terminals,
  };
}

/** What zod says of a request, as a problem with its paths. */
function valid<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const issues = (error as { issues?: { path: PropertyKey[]; message: string }[] }).issues;
    if (issues === undefined) throw error;
    throw new CodedError({
      code: "request.invalid",
      title: "The request to the project is not valid",
      why: issues.map(({ path, message }) => `${path.join(".")}: ${message}`).join("; "),
      status: 400,
      errors: issues.map(({ path, message }) => ({ path: path.join("."), message })),
    });
  }
}
