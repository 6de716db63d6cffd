/** The host daemon, put together: runs this machine's projects for its hub. */
import { totalmem } from "node:os";
import { Router } from "../conat/router.ts";
import type { ProjectStatus } from "../contract/host-control.ts";
import type { Config } from "../core/config.ts";
import { toProblem } from "../core/errors.ts";
import { logger } from "../core/log.ts";
import { serviceNotifier } from "../core/notify.ts";
import type { HostPaths } from "../core/paths.ts";
import type { Ports } from "../core/ports.ts";
import type { KeyPair } from "../core/ssh-keys.ts";
import type { HostFeature } from "./core.ts";
import { vouchForEditors } from "./editors.ts";
import { createFeatures } from "./features.ts";
import type { Helper } from "./helper/client.ts";
import { createHostImages } from "./images/ensure.ts";
import { createHubLink, type HubLink } from "./link/link.ts";
import { NO_IMAGE } from "./process/runtime.ts";
import { ProjectManager } from "./projects/manager.ts";
import { projectRecords } from "./projects/record.ts";
import { hasRoom } from "./projects/room.ts";
import { createHostHttp } from "./proxy/host-http.ts";
import { available, createReporter } from "./report/report.ts";
import { createSessions } from "./sessions.ts";
import { type HostState, trustHubKey } from "./state.ts";
import { serveViewers } from "./viewers.ts";

const log = logger("host");
const REPORT_MS = 10_000;

export interface RunningHost {
  /** Projects and their agents live on: the next start adopts them. */
  close(): void;
}

export async function startHost(options: {
  config: Config;
  paths: HostPaths;
  ports: Ports;
  state: HostState;
  /** This machine's one identity. */
  key: KeyPair;
  /** What starts projects: the helper's socket, or the runtime `process` in its place. */
  helper: Helper;
  /** Projects are plain processes: there are no images. */
  plain: boolean;
  /** See {@link HostCore.keepSessions}. */
  keepSessions?: boolean;
}): Promise<RunningHost> {
  const { config, paths, ports, state, key, helper } = options;
  const router = new Router<unknown>();
  let link: HubLink | undefined;
  const theLink = (): HubLink => {
    if (link) return link;
    throw new Error("the control link is made before any project starts");
  };
  const images = options.plain
    ? { ensure: async () => NO_IMAGE, prune: async () => [] }
    : createHostImages({ dir: paths.images, helper, link: theLink });
  let features: HostFeature[] = [];
  const tellParts = (status: ProjectStatus) => {
    for (const feature of features) feature.onStatus?.(status);
  };
  serveViewers(router);
  vouchForEditors(router);
  const manager = new ProjectManager({
    records: projectRecords(paths.projects),
    helper,
    router,
    image: images.ensure,
    room: () => hasRoom(available(), totalmem()),
    onStatus(status) {
      if (link?.isConnected()) void link.tell("project-status", status).catch(() => {});
      tellParts(status);
    },
  });
  const parts = createFeatures({
    config,
    paths,
    ports,
    state,
    key,
    helper,
    plain: options.plain,
    keepSessions: options.keepSessions ?? false,
    router,
    images,
    manager,
    link: theLink,
  });
  const { handlers } = parts;
  features = parts.features;
  const notifier = serviceNotifier();
  /** The hub and this version understood each other: an upgrade goes by it, install.sh. */
  let greeted = false;
  const tellStatus = () => {
    const { running, total } = manager.counts();
    const linked = greeted && link?.isConnected() === true;
    notifier.status(`${running} of ${total} projects run; ${linked ? "linked to" : "no link to"} the hub`);
  };
  const report = createReporter({ dir: paths.dir, helper, counts: () => manager.counts() });
  const sendReport = async () => {
    if (link?.isConnected()) await link.tell("report", await report()).catch(() => {});
  };
  /** For a throw-away project: base, or where there is none the machine's own programs. */
  const anyImage = async () => {
    try {
      return await images.ensure("base", null);
    } catch (error) {
      return await images.ensure("system", null).catch(() => {
        throw error;
      });
    }
  };
  link = createHubLink({
    state,
    key,
    paths,
    tunnelledHub: ports.hostHttp + 2,
    handlers: {
      ...handlers,
      "project.create": async ({ spec }) => {
        const status = await manager.create(spec);
        tellParts(status);
        return status;
      },
      "project.start": async ({ spec }) => manager.start(spec),
      "project.stop": async ({ project_id }) => await manager.stop(project_id),
      "project.remove": async ({ project_id }) => ({ removed: await manager.remove(project_id) }),
      "project.status": async () => ({ projects: manager.statuses() }),
      "project.logs": async ({ project_id }) => ({ lines: await manager.logs(project_id) }),
      "image.ensure": async ({ image, digest }) => {
        await images.ensure(image, digest);
        return { present: true };
      },
      "hub-key.trust": async ({ ssh_host_key }) => {
        trustHubKey(paths, ssh_host_key);
        return {};
      },
      report: () => report(),
      "runtime.check": async () => {
        try {
          const digest = await anyImage();
          return { ...(await helper.call("runtime.check", { digest })), problem: null };
        } catch (error) {
          return { ok: false, took_ms: 0, problem: toProblem(error) };
        }
      },
    },
    onHello(hello) {
      greeted = true;
      for (const status of manager.statuses())
        void theLink()
          .tell("project-status", status)
          .catch(() => {});
      tellStatus();
      void sendReport();
      // So that the first start of a project does not wait for it.
      if (hello.images.some((one) => one.image === "base")) {
        void images.ensure("base", null).catch((error: unknown) => log.warn("image", { why: String(error) }));
      }
    },
  });
  await manager.open();
  const http = await createHostHttp({
    port: ports.hostHttp,
    state,
    key,
    agents: manager.agents,
    onConat: createSessions(router, state),
  });
  for (const feature of features) await feature.start?.();
  notifier.ready("started");
  tellStatus();
  const timer = setInterval(() => {
    tellStatus();
    void sendReport();
  }, REPORT_MS);
  return {
    close() {
      clearInterval(timer);
      for (const feature of features.toReversed()) feature.close?.();
      manager.close();
      http.close();
      link.close();
    },
  };
}
