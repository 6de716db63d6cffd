/** Puts the helper together: one lock per project, since two starts of one project would mount over each other. */
import { randomUUID } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import type { Server } from "node:net";
import { join } from "node:path";
import type { Peer } from "../../conat/peer.ts";
import { dialAgentPeer } from "../../contract/agent-dial.ts";
import { runCommand } from "../../contract/project-client.ts";
import { CodedError, messageOf, toProblem } from "../../core/errors.ts";
import { randomToken } from "../../core/ids.ts";
import { logger } from "../../core/log.ts";
import { HostStorage } from "../storage/host-storage.ts";
import { poolPlaces } from "../storage/pool-record.ts";
import { BackingWatch } from "../storage/watch.ts";
import { BackupJobs } from "./backup-jobs.ts";
import { cgroupProblem, cgroupView } from "./cgroups.ts";
import { listImages, removeImage, sweepImages, unpackImage } from "./images.ts";
import { leaveSoon } from "./leave.ts";
import { mountPoints } from "./mounts.ts";
import { tryOverlay } from "./overlay.ts";
import { findEngine, Podman } from "./podman.ts";
import { HelperProjects } from "./projects.ts";
import { openHelperRoot } from "./root.ts";
import { type HelperHandlers, serveHelper } from "./server.ts";
import { storageHandlers } from "./storage.ts";
import { Turns } from "./turns.ts";
import { beginUpgrade, isUpgrading } from "./upgrade.ts";
import { vmHandlers } from "./vms.ts";

/** How often the guards follow a change of the machine's addresses. */
const REFRESH_MS = 5_000;
/** The agent of a throw-away project answers within this, or the check fails: in well under a second, unless the machine is slow. */
const CHECK_TIMEOUT_MS = 30_000;
const CHECK_LIMITS = { memory_bytes: 256 * 2 ** 20, cpus: 1, pids: 64, lan: "blocked" } as const;

/**
 * A command in it, by the way that terminals go: through its agent. (`podman exec` says less: it fails where the
 * kernel forbids joining the container's namespaces from outside, and projects run there all the same.)
 */
async function runInside(agentDir: string, token: string, project_id: string): Promise<void> {
  const end = performance.now() + CHECK_TIMEOUT_MS;
  let peer: Peer | undefined;
  while (peer === undefined) {
    try {
      peer = await dialAgentPeer(join(agentDir, "agent.sock"), token);
    } catch (error) {
      if (performance.now() > end) throw error;
      await Bun.sleep(20);
    }
  }
  try {
    const { exit } = await runCommand(peer, project_id, { argv: ["true"] });
    if (exit.code === 0) return;
    throw new CodedError({
      code: "runtime.exec-failed",
      title: "A command in a throw-away container failed",
      why: `It ended with ${exit.code ?? exit.signal}.`,
    });
  } finally {
    peer.close();
  }
}

export interface RunningHelper {
  server: Server;
  close(): void;
}

/** `binary` is the file that holds the agent (the compiled project-host). Errors: `helper.unsafe-path`. */
export async function startHelper(options: { dataDir?: string; binary: string }): Promise<RunningHelper> {
  const root = openHelperRoot(options.dataDir);
  const log = logger("helper");
  await sweepImages(root).catch((error: unknown) =>
    log.warn("an unpacking that was cut off is still there", { why: messageOf(error) }),
  );
  let projects: HelperProjects | undefined;
  const watch = new BackingWatch(root.storage, async () => {
    const running = projects?.list() ?? [];
    await Promise.all(
      running.map((one) => turns.take(one.project_id, () => ready().stop(one.project_id, true))),
    );
  });
  const storage = new HostStorage({
    storage: root.storage,
    check: (path) => root.check(path),
    privilege: () => root.privilege,
    root: process.getuid?.() === 0,
    watch,
  });
  // Looked for anew until found: podman may be installed while we run.
  const kind = process.getuid?.() === 0 ? "root" : "rootless";
  const ready = () => {
    projects ??= new HelperProjects(
      root,
      new Podman(findEngine(), root.storage, root.run, root.privilege.env),
      storage,
      options.binary,
    );
    return projects;
  };
  const turns = new Turns();
  let carries = false;
  const backups = new BackupJobs({ root, storage, binary: options.binary, projects: ready });
  await backups
    .clean()
    .catch((error: unknown) => log.warn("a backup's view is still mounted", { why: messageOf(error) }));
  const handlers: HelperHandlers = {
    "backup.start": (params) => {
      backups.start(params);
      return {};
    },
    "backup.poll": ({ job_id, wait_ms }) => backups.poll(job_id, wait_ms),
    "backup.end": async ({ job_id }) => {
      await backups.end(job_id);
      return {};
    },
    "backup.commit": ({ job_id, project_id }) =>
      turns.take(project_id, async () => {
        await backups.commit(project_id, job_id);
        return {};
      }),
    "backup.source": ({ project_id }) => backups.source(project_id),
    hello: async () => {
      try {
        const { engine } = ready().podman;
        // A pool is btrfs, which can. Anything else is tried until it could: the disk below may be another by now.
        if (!carries && storage.kind === "directory")
          await turns.take("overlay", async () => await tryOverlay(root.privilege, root.storage));
        carries = true;
        // Without root there are no limits anyway, which is said elsewhere.
        const problem = kind === "root" ? cgroupProblem(cgroupView(engine.cgroup)) : null;
        return { pid: process.pid, kind, runtime: engine.runtime, cgroup: engine.cgroup, problem };
      } catch (error) {
        return { pid: process.pid, kind, runtime: "", cgroup: "", problem: toProblem(error) };
      }
    },
    "project.prepare": ({ project_id, digest }) =>
      // One turn for all: two projects prepared at once must not take the same range of ids.
      turns.take("prepare", async () => ({ uid: (await ready().prepare(project_id, digest)).base + 1000 })),
    "project.start": async (params) => {
      watch.admit();
      await turns.take("prepare", () => ready().prepare(params.project_id, params.digest, params.lan));
      return await turns.take(params.project_id, async () => {
        await storage.setQuota(params.project_id, params.disk_bytes ?? null);
        return await ready().start(params);
      });
    },
    "project.stop": ({ project_id }) =>
      turns.take(project_id, async () => ({ stopped: await ready().stop(project_id, true) })),
    "project.kill": ({ project_id }) =>
      turns.take(project_id, async () => ({ stopped: await ready().stop(project_id, false) })),
    "project.remove": ({ project_id }) =>
      turns.take(project_id, async () => ({ removed: await ready().remove(project_id) })),
    "project.list": () => ({ running: ready().list() }),
    "project.known": () => ({ projects: ready().known() }),
    "project.logs": ({ project_id }) => ({ lines: ready().logs(project_id) }),
    "image.unpack": ({ digest }) =>
      turns.take(digest, async () => {
        await unpackImage(root, digest);
        return { present: true };
      }),
    "image.remove": ({ digest }) =>
      turns.take(digest, async () => {
        // Whatever the host's user believes: a root that a project has below its changes stays.
        if (ready().uses(digest)) return { removed: false };
        const removed = await removeImage(root, digest);
        if (removed) ready().system.forget(digest);
        return { removed };
      }),
    "image.system": async ({ make }) => {
      const { system } = ready();
      if (make) return { digest: await turns.take("system", () => system.make()), problem: null };
      const problem = system.problem();
      return { digest: problem === null ? system.fingerprint() : null, problem };
    },
    "image.list": () => ({ digests: listImages(root) }),
    "machine.leave": ({ keep_data }) => {
      leaveSoon(options.binary, options.dataDir, keep_data);
      return {};
    },
    "machine.upgrade": async (order) => {
      await beginUpgrade(order, options.dataDir);
      return {};
    },
    "machine.upgrading": async () => ({ active: await isUpgrading() }),
    cleanup: async () => ({ removed: await ready().cleanup() }),
    "runtime.check": async ({ digest }) => {
      const started = performance.now();
      const project_id = randomUUID();
      const params = { project_id, digest, token: randomToken(), ...CHECK_LIMITS };
      try {
        await turns.take("prepare", () => ready().prepare(project_id, digest));
        await turns.take(project_id, () => ready().start(params));
        await runInside(root.agentDir(project_id), params.token, project_id);
      } finally {
        await turns.take(project_id, () => ready().remove(project_id));
      }
      return { ok: true, took_ms: Math.round(performance.now() - started) };
    },
    ...vmHandlers(turns),
    ...storageHandlers({
      storage,
      places: poolPlaces(root.storage),
      turns,
      isRunning: (id) =>
        ready()
          .list()
          .some((one) => one.project_id === id),
      isRead: (id, name) => backups.reads(id, name),
    }),
  };
  const server = await serveHelper(root.socket, { uid: root.hostUid, gid: root.hostGid }, handlers);
  log.info("helper ready", { storage: root.storage, user: root.hostUid });
  watch.start();
  const timer = setInterval(() => void projects?.refreshGuards(), REFRESH_MS);
  return {
    server,
    close: () => {
      clearInterval(timer);
      watch.close();
      backups.close();
      server.close();
      rmSync(root.socket, { force: true });
      // With nothing running and nothing mounted the runtime directory holds podman's locks alone: no trace is left.
      const mounted = mountPoints(readFileSync("/proc/self/mountinfo", "utf8"), root.run).length > 0;
      if (projects !== undefined && !mounted && projects.list().length === 0) {
        root.privilege.release();
        rmSync(root.run, { recursive: true, force: true });
      }
    },
  };
}
