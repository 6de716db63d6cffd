/** `cocalc-project-host serve`: runs this machine's projects for its hub, in the foreground. */
import { Router } from "../conat/router.ts";
import { command, common } from "../core/cli.ts";
import { loadConfig } from "../core/config.ts";
import { toProblem } from "../core/errors.ts";
import { logger } from "../core/log.ts";
import { ensureDir, hostPaths } from "../core/paths.ts";
import { derivePorts } from "../core/ports.ts";
import { helperClient } from "./helper/client.ts";
import { createHostImages } from "./images/ensure.ts";
import { createHubLink, type HubLink } from "./link/link.ts";
import { ProjectManager } from "./projects/manager.ts";
import { projectRecords } from "./projects/record.ts";
import { createHostHttp } from "./proxy/host-http.ts";
import { createReporter } from "./report/report.ts";
import { createSessions } from "./sessions.ts";
import { type HostState, hostKey, readHostState } from "./state.ts";

const log = logger("host");
const PAIRED_POLL_MS = 250;
const REPORT_MS = 10_000;
const HELPER_POLL_MS = 200;
const HELPER_WAIT_MS = 10_000;

export default command({
  meta: { name: "serve", description: "Runs this machine's projects, in the foreground" },
  args: {
    ...common,
    "base-port": { type: "string", description: "Base port of this machine; its HTTP is on base−198" },
  },
  async run({ args }) {
    const { config } = loadConfig(process.env, { base_port: args["base-port"] });
    const ports = derivePorts(config.base_port);
    const paths = hostPaths(args["data-dir"]);
    for (const dir of [paths.dir, paths.run, paths.projects, paths.images]) ensureDir(dir);
    const state = await paired(paths);
    const helper = helperClient(paths.helperSocket);
    await helperReady(helper);
    const key = hostKey(paths);
    const router = new Router<unknown>();
    let link: HubLink | undefined;
    const theLink = (): HubLink => {
      if (link) return link;
      throw new Error("the control link is made before any project starts");
    };
    const images = createHostImages({ dir: paths.images, helper, link: theLink });
    const manager = new ProjectManager({
      records: projectRecords(paths.projects),
      helper,
      router,
      image: images.ensure,
      onStatus(status) {
        if (link?.isConnected()) void link.tell("project-status", status).catch(() => {});
      },
    });
    const report = createReporter({ dir: paths.dir, helper, counts: () => manager.counts() });
    const sendReport = async () => {
      if (link?.isConnected()) await link.tell("report", await report()).catch(() => {});
    };
    link = createHubLink({
      state,
      key,
      paths,
      tunnelledHub: ports.hostHttp + 2,
      handlers: {
        "project.create": async ({ spec }) => manager.create(spec),
        "project.start": async ({ spec }) => manager.start(spec),
        "project.stop": async ({ project_id }) => await manager.stop(project_id),
        "project.remove": async ({ project_id }) => ({ removed: await manager.remove(project_id) }),
        "project.status": async () => ({ projects: manager.statuses() }),
        "project.logs": async ({ project_id }) => ({ lines: await manager.logs(project_id) }),
        "image.ensure": async ({ image, digest }) => {
          await images.ensure(image, digest);
          return { present: true };
        },
        report: () => report(),
        "runtime.check": async () => {
          try {
            const digest = await images.ensure("base", null);
            return { ...(await helper.call("runtime.check", { digest })), problem: null };
          } catch (error) {
            return { ok: false, took_ms: 0, problem: toProblem(error) };
          }
        },
      },
      onHello(hello) {
        for (const status of manager.statuses())
          void theLink()
            .tell("project-status", status)
            .catch(() => {});
        void sendReport();
        // So that the first start of a project does not wait for it.
        if (hello.images.some((one) => one.image === "base")) {
          void images
            .ensure("base", null)
            .catch((error: unknown) => log.warn("image", { why: String(error) }));
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
    const timer = setInterval(() => void sendReport(), REPORT_MS);
    await new Promise<void>((resolve) => {
      for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => resolve());
    });
    // Containers and their agents live on: the next start adopts them.
    clearInterval(timer);
    manager.close();
    http.close();
    link.close();
    process.exit(0);
  },
});

async function paired(paths: ReturnType<typeof hostPaths>): Promise<HostState> {
  let told = false;
  for (;;) {
    const state = readHostState(paths);
    if (state) return state;
    if (!told) log.info("not paired yet; waiting", { file: paths.state });
    told = true;
    await Bun.sleep(PAIRED_POLL_MS);
  }
}

/** It starts beside us; without it nothing can be adopted, and what runs would be taken for dead. */
async function helperReady(helper: ReturnType<typeof helperClient>): Promise<void> {
  const end = Date.now() + HELPER_WAIT_MS;
  while (Date.now() < end) {
    try {
      await helper.call("hello", {});
      return;
    } catch {
      await Bun.sleep(HELPER_POLL_MS);
    }
  }
  log.warn("no helper: projects cannot run on this machine; start it as root");
}
