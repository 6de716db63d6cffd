/** What the agent answers, by name. Loaded at the first request (see services.ts). */
import type { z } from "zod";
import type { ConatStream } from "../conat/stream.ts";
import { noResponder } from "../conat/wire-error.ts";
import { PROJECT_ID_ENV } from "../contract/agent-protocol.ts";
import {
  type ProjectRequest,
  type ProjectStreamName,
  projectRequests,
  projectStreams,
} from "../contract/project-services.ts";
import { CodedError } from "../core/errors.ts";
import type { Apps } from "./apps/apps.ts";
import type { Surroundings } from "./child-env.ts";
import type { Editing } from "./editing/editing.ts";
import { Terminals } from "./terminals.ts";

/** Heavier parts load at first use: most projects idle most of the time, fifty of them on one machine. */
const lazy = {
  exec: () => import("./exec.ts"),
  files: () => import("./files.ts"),
  list: () => import("./files-list.ts"),
  write: () => import("./file-write.ts"),
  trash: () => import("./trash.ts"),
  copy: () => import("./file-copy.ts"),
  search: () => import("./search.ts"),
  watch: () => import("./watch.ts"),
  editing: () => import("./editing/editing.ts"),
  vouched: () => import("../contract/project-services/editing.ts"),
  ports: () => import("./ports.ts"),
  apps: () => import("./apps/apps.ts"),
  shared: async () => ({
    ...(await import("./shared-files.ts")),
    ...(await import("../contract/project-services/shared.ts")),
  }),
  snapshots: () => import("./snapshots.ts"),
  net: () => import("./net.ts"),
};

type Input<K extends ProjectRequest> = z.output<(typeof projectRequests)[K]["request"]>;
type Output<K extends ProjectRequest> = z.input<(typeof projectRequests)[K]["reply"]>;

const CHANGED_GATHER_MS = 100;

export interface Dispatch {
  request(name: string, data: unknown): Promise<unknown>;
  stream(name: string, params: unknown, stream: ConatStream): Promise<void>;
  terminals: Terminals;
  /** Writes what an earlier agent kept of people's typing. */
  recoverEdits(): Promise<void>;
  /** Ends the terminals, and writes what people typed. */
  close(): Promise<void>;
}

/** `changed` publishes what a list should load anew. */
export function dispatcher(
  around: Surroundings,
  env: Record<string, string | undefined>,
  changed: (what: { kind: "terminals" | "apps" }) => void,
): Dispatch {
  const { project_id, home } = around;
  const requests = new Map<string, (data: unknown) => unknown>();
  const streams = new Map<string, (params: unknown, stream: ConatStream) => unknown>();
  const started_at = Date.now();
  const mark = around.alone ? undefined : `${PROJECT_ID_ENV}=${project_id}`;

  const gathering = new Set<string>();
  const tell = (kind: "terminals" | "apps") => {
    if (gathering.has(kind)) return;
    gathering.add(kind);
    setTimeout(() => {
      gathering.delete(kind);
      changed({ kind });
    }, CHANGED_GATHER_MS);
  };
  const terminals = new Terminals(around, env, () => tell("terminals"));
  let managed: Promise<Apps> | undefined;
  const apps = () => {
    managed ??= lazy.apps().then(({ createApps }) => createApps(around, env, () => tell("apps")));
    return managed;
  };
  let edited: Promise<Editing> | undefined;
  const editing = () => {
    edited ??= lazy.editing().then(({ Editing }) => new Editing(around));
    return edited;
  };

  /** Open files go along. */
  const moving = async (from: string, move: () => Promise<string>) =>
    edited === undefined ? await move() : await (await edited).moving(from, move);

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
  request("terminal.notice", ({ text }) => {
    terminals.notice(text);
    return {};
  });
  request("activity", () => terminals.activity());
  request("terminal.restart", ({ terminal_id }) => {
    const terminal = terminals.get(terminal_id);
    terminal.restart();
    return terminal.info();
  });
  stream("terminal.attach", (stream, raw) => {
    const params = raw as z.output<(typeof projectStreams)["terminal.attach"]["params"]>;
    terminals.get(params.terminal_id).attach(stream, params);
  });

  request("files.list", async (data) => await (await lazy.list()).listFolder(home, data));
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
    const { renameEntry } = await lazy.files();
    await moving(data.from, () => renameEntry(home, data));
    return {};
  });
  request("files.save-as", async ({ path, to }) => {
    await (await editing()).saveAs(path, to);
    return {};
  });
  request("files.remove", async (data) => {
    await (await edited)?.settle([data.path]);
    await (await lazy.files()).removeEntry(home, data);
    return {};
  });
  // For viewers: asked by the host alone, which puts the roots beside the question.
  const seen = async (path: string, roots: string[]) => (await lazy.shared()).seenPath(home, path, roots);
  requests.set("shared.list", async (data) => {
    const { listShared, sharedRequests } = await lazy.shared();
    return await listShared(
      home,
      valid(() => sharedRequests["shared.list"].request.parse(data)),
    );
  });
  requests.set("shared.stat", async (data) => {
    const { path, roots } = await lazy
      .shared()
      .then(({ sharedRequests }) => valid(() => sharedRequests["shared.stat"].request.parse(data)));
    return await (await lazy.files()).statEntry(await seen(path, roots));
  });
  streams.set("shared.read", async (raw, stream) => {
    const { sharedStreams } = await lazy.shared();
    const { roots, ...params } = valid(() => sharedStreams["shared.read"].params.parse(raw));
    const path = await seen(params.path, roots);
    await (await lazy.files()).sendFile(stream, { ...params, path }, home);
  });
  streams.set("files.edit", async (raw, stream) => {
    const { vouchedEditSchema } = await lazy.vouched();
    const { person, ...params } = valid(() => vouchedEditSchema.parse(raw));
    await (await editing()).edit(stream, params, person);
  });
  streams.set("shared.edit", async (raw, stream) => {
    const { sharedStreams } = await lazy.shared();
    const { roots, ...params } = valid(() => sharedStreams["shared.edit"].params.parse(raw));
    const path = await seen(params.path, roots);
    await (await editing()).edit(stream, { ...params, path });
  });
  streams.set("shared.watch", async (raw, stream) => {
    const { sharedStreams } = await lazy.shared();
    const { roots, ...params } = valid(() => sharedStreams["shared.watch"].params.parse(raw));
    const path = await seen(params.path, roots);
    (await lazy.watch()).watchPath(stream, { ...params, path }, home);
  });

  request("snapshots.changes", async (data) => await (await lazy.snapshots()).changes(home, data));
  request("snapshots.restore", async (data) => await (await lazy.snapshots()).restore(home, data));
  request("ports", async () => ({ ports: await (await lazy.ports()).listeningPorts(mark) }));
  request("files.trash", async ({ paths }) => {
    await (await edited)?.settle(paths);
    return await (await lazy.trash()).trashPaths(home, paths);
  });
  request("files.trash.list", async () => await (await lazy.trash()).listTrash(home));
  request("files.trash.restore", async (data) => await (await lazy.trash()).restoreTrash(home, data));
  request("files.trash.empty", async (data) => await (await lazy.trash()).emptyTrash(home, data.trash_ids));

  request("apps.list", async () => await (await apps()).list());
  request("apps.open", async (data) => await (await apps()).open(data));
  request("apps.stop", async ({ app }) => await (await apps()).stop(app));
  request("apps.log", async ({ app, from }) => (await apps()).log(app, from));
  request("apps.define", async ({ app, definition }) => {
    (await apps()).define(app, definition);
    return {};
  });

  stream("exec", async (stream, params) => (await lazy.exec()).exec(stream, params, around, env));
  stream("files.read", async (stream, params) => await (await lazy.files()).sendFile(stream, params, home));
  stream(
    "files.write",
    async (stream, params) => await (await lazy.write()).receiveFile(stream, params, home),
  );
  stream(
    "files.copy",
    async (stream, params) => await (await lazy.copy()).copyInto(stream, params, home, moving),
  );
  stream("files.search", async (stream, params) => await (await lazy.search()).search(stream, params, home));
  stream("files.watch", async (stream, params) => (await lazy.watch()).watchPath(stream, params, home));

  request("ssh.authorized-keys", async () => ({ text: await (await lazy.net()).readAuthorizedKeys(home) }));
  stream(
    "net.connect",
    async (stream, params) => await (await lazy.net()).connectStream(stream, params, home),
  );
  stream("net.listen", async (stream, params) => await (await lazy.net()).listenStream(stream, params, home));
  stream("net.accept", async (stream, params) => (await lazy.net()).acceptStream(stream, params));

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
    recoverEdits: async () => await (await editing()).recover(),
    async close() {
      terminals.closeAll();
      await (await edited)?.close();
    },
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
