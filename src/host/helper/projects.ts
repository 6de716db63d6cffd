/**
 * A project's life as root sees it: uid range, directories, overlay, network, container; and all of it taken away
 * again. Each step can be repeated after a crash in the middle of it.
 */
import {
  chownSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { CodedError, EX, errnoOf, messageOf } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import { shortId } from "../../core/paths.ts";
import { readStateFile, writeStateFile } from "../../core/state-file.ts";
import type { Storage } from "../storage/storage.ts";
import { readAgentLog } from "./agent-log.ts";
import { imageHas } from "./images.ts";
import { mountsBelow, unmountAll } from "./mounts.ts";
import { mountIdmapped } from "./native.ts";
import { Networks } from "./network.ts";
import { mountOverlay } from "./overlay.ts";
import type { ContainerPlace, Podman } from "./podman.ts";
import type { Privilege } from "./privilege.ts";
import type { HelperRoot } from "./root.ts";
import { SystemImage } from "./system-image.ts";
import { allocateBase, RANGE, takenSpans } from "./uid-ranges.ts";
import type { Started, StartParams } from "./verbs.ts";

/** The ordinary user inside. */
const USER = 1000;

/** `storage/projects/<id>/meta/project.json`: root's own record. */
const recordSchema = z.object({
  project_id: z.uuid(),
  base: z.number().int(),
  digest: z.string(),
  lan: z.enum(["blocked", "open"]),
});
type ProjectRecord = z.infer<typeof recordSchema>;

const log = logger("helper");

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return "";
    throw error;
  }
}

export class HelperProjects {
  readonly root: HelperRoot;
  readonly podman: Podman;
  readonly binary: string;
  readonly system: SystemImage;
  readonly #privilege: Privilege;
  readonly #networks: Networks;
  readonly #storage: Storage;

  /** `binary` is what holds the agent: fixed at start, as the directories are. */
  constructor(root: HelperRoot, podman: Podman, storage: Storage, binary: string) {
    this.root = root;
    this.podman = podman;
    this.binary = binary;
    this.system = new SystemImage(root);
    this.#storage = storage;
    this.#privilege = root.privilege;
    this.#networks = new Networks(root.privilege, root.netnsDir);
  }

  #recordPath(id: string): string {
    return join(this.#storage.space(id).meta, "project.json");
  }

  #record(id: string): ProjectRecord | undefined {
    this.root.check(this.#storage.space(id).meta);
    return readStateFile(this.#recordPath(id), (value) => recordSchema.parse(value));
  }

  /** Root's record of a project; undefined where this host has none. */
  record(id: string): ProjectRecord | undefined {
    return this.#record(id);
  }

  /** Whether a project of this host has this image below its own changes. */
  uses(digest: string): boolean {
    return this.#records().some((record) => record.digest === digest);
  }

  #ids(): string[] {
    return this.#storage.ids();
  }

  /** Those that have a record; a pool that was adopted brings its own. */
  known(): { project_id: string; digest: string }[] {
    return this.#records().map(({ project_id, digest }) => ({ project_id, digest }));
  }

  #records(): ProjectRecord[] {
    return this.#ids().flatMap((id) => this.#record(id) ?? []);
  }

  /** Directories, uid range and, once, a home filled from the image's. */
  async prepare(id: string, digest: string, lan: "blocked" | "open" = "blocked"): Promise<ProjectRecord> {
    const image = this.root.check(this.root.imageDir(digest));
    if (!existsSync(image)) {
      throw new CodedError({
        code: "image.absent",
        title: `Image ${digest.slice(0, 12)} is not on this host`,
        fix: "It is fetched from the hub before a start; see the host's log for why that failed.",
        exit: EX.UNAVAILABLE,
      });
    }
    const old = this.#record(id);
    // A shared first half of two ids would share their runtime directories.
    const twin = this.#ids().find((other) => other !== id && shortId(other) === shortId(id));
    if (twin !== undefined) {
      throw new CodedError({
        code: "helper.id-collision",
        title: `${id} and ${twin} are too much alike`,
        exit: EX.DATAERR,
      });
    }
    const base =
      this.#privilege.base ??
      old?.base ??
      allocateBase(
        this.#records().map((record) => record.base),
        takenSpans(`${readText("/etc/subuid")}\n${readText("/etc/subgid")}`, readText("/etc/passwd")),
      );
    const space = await this.#storage.create(id);
    const record = { project_id: id, base, digest, lan };
    if (JSON.stringify(old) !== JSON.stringify(record)) writeStateFile(this.#recordPath(id), record);
    for (const path of [space.upper, space.work]) {
      if (existsSync(path)) continue;
      mkdirSync(path, { mode: 0o755 });
      if (this.#privilege.kind === "root") chownSync(path, base, base);
    }
    if (!existsSync(space.home)) await this.#fillHome(space.home, join(image, "home/user"), base);
    if (space.snapshots !== undefined) this.#snapshotPoint(join(space.home, ".snapshots"), base);
    return record;
  }

  /** Where the snapshots are bound: whatever else the project has put in that place is moved aside, not followed. */
  #snapshotPoint(path: string, base: number): void {
    const there = lstatSync(path, { throwIfNoEntry: false });
    if (there?.isDirectory()) return;
    if (there !== undefined) renameSync(path, `${path}-moved-${Date.now()}`);
    mkdirSync(path, { mode: 0o755 });
    lchownSync(path, base + USER, base + USER);
  }

  /** An id inside a project, as the privilege we work with names it. */
  #id(base: number, inside: number): number {
    return this.#privilege.kind === "root" ? base + inside : inside;
  }

  async #fillHome(home: string, skeleton: string, base: number): Promise<void> {
    const temp = `${home}.new`;
    const { execOk: run } = this.#privilege;
    await run(["rm", "-rf", temp]);
    if (existsSync(skeleton)) await run(["cp", "-a", "--no-target-directory", skeleton, temp]);
    else mkdirSync(temp);
    const user = this.#id(base, USER);
    await run(["chown", "-R", "--no-dereference", `${user}:${user}`, temp]);
    await run(["chmod", "0700", temp]);
    // By rename: a home half filled is never taken for a home.
    renameSync(temp, home);
  }

  async #mountRoot(record: ProjectRecord): Promise<string> {
    const { project_id: id, base, digest } = record;
    const merged = this.root.check(this.root.rootfs(id));
    await unmountAll(this.#privilege, merged);
    const { upper, work } = this.#storage.space(id);
    if (this.system.is(digest)) {
      const lower = this.root.check(this.root.lower(id));
      await this.system.mount({ digest, base, lower, upper, work, merged });
      return merged;
    }
    // Without root all projects have the ids that the image was unpacked with.
    let lower = this.root.imageDir(digest);
    if (this.#privilege.kind === "root") {
      lower = this.root.check(this.root.lower(id));
      await unmountAll(this.#privilege, lower);
      await mountIdmapped(this.root.imageDir(digest), lower, base, RANGE);
    }
    mkdirSync(merged, { recursive: true, mode: 0o711 });
    await mountOverlay(this.#privilege, { lower, upper, work, merged });
    return merged;
  }

  async #agentDir(id: string, base: number): Promise<string> {
    const dir = this.root.check(this.root.agentDir(id));
    if (existsSync(dir)) await this.#privilege.execOk(["rm", "-rf", dir]);
    mkdirSync(dir, { mode: 0o700 });
    // The project's user makes the socket; the host's user comes in as the group, nobody else does. Without root the
    // host's user is we, and our group is 0 in our namespace.
    const group = this.#privilege.kind === "root" ? this.root.hostGid : 0;
    await this.#privilege.execOk(["chown", `${this.#id(base, USER)}:${group}`, dir]);
    await this.#privilege.execOk(["chmod", "0750", dir]);
    return dir;
  }

  #pid(id: string): number | undefined {
    const pid = Number(readText(join(this.root.run, `${shortId(id)}.pid`)).trim());
    if (!Number.isInteger(pid) || pid <= 1) return undefined;
    const base = this.#record(id)?.base;
    // The pid could be somebody else's by now: a project's process has ids of the project's range.
    const uid = Number(/^Uid:\s+(\d+)/m.exec(readText(`/proc/${pid}/status`))?.[1] ?? -1);
    if (base === undefined || uid < base || uid >= base + RANGE) return undefined;
    return /^State:\s+[ZX]/m.test(readText(`/proc/${pid}/status`)) ? undefined : pid;
  }

  async start(params: StartParams): Promise<Started> {
    const id = params.project_id;
    const alive = this.#pid(id);
    const agent_dir = this.root.agentDir(id);
    if (alive !== undefined) return { pid: alive, agent_dir, adopted: true, timings: {} };
    const timings: Record<string, number> = {};
    let at = performance.now();
    const lap = (name: string) => {
      const now = performance.now();
      timings[name] = Math.round(now - at);
      at = now;
    };
    await this.#down(id, false);
    lap("clean");
    const record = await this.prepare(id, params.digest, params.lan);
    lap("directories");
    try {
      const rootfs = await this.#mountRoot(record);
      lap("mount");
      await this.#networks.open(this.root.netns(id), params.lan);
      lap("network");
      const space = this.#storage.space(id);
      const place: ContainerPlace = {
        name: this.root.container(id),
        netns: this.#networks.path(this.root.netns(id)),
        rootfs,
        home: space.home,
        snapshots: space.snapshots,
        agentDir: await this.#agentDir(id, record.base),
        binary: this.binary,
        log: join(space.meta, "agent.log"),
        pidFile: join(this.root.run, `${shortId(id)}.pid`),
        base: this.#privilege.kind === "root" ? record.base : undefined,
        tini: this.system.is(params.digest)
          ? existsSync("/usr/bin/tini")
          : imageHas(this.root, params.digest, "usr/bin/tini"),
      };
      rmSync(place.log, { force: true });
      // There from before podman begins: whatever it leaves behind is then looked for.
      writeFileSync(place.pidFile, "", { mode: 0o600 });
      await this.podman.run(place, params);
      lap("container");
    } catch (error) {
      await this.#down(id, false);
      throw error;
    }
    const pid = this.#pid(id);
    if (pid === undefined) {
      const said = this.logs(id).slice(-3).join("\n");
      await this.#down(id, false);
      throw new CodedError({
        code: "project.start-failed",
        title: "The container ended as soon as it had started",
        why: said || "it said nothing",
        fix: "If the project's own changes broke its root file system, reset it; else see cocalc-hub doctor.",
      });
    }
    return { pid, agent_dir, adopted: false, timings };
  }

  async #down(id: string, graceful: boolean): Promise<void> {
    const pidFile = join(this.root.run, `${shortId(id)}.pid`);
    const pid = this.#pid(id);
    // podman costs 60 ms even when it knows nothing: asked only where something can be left.
    if (existsSync(pidFile)) {
      await this.podman.remove(this.root.container(id), graceful && pid !== undefined);
      const left = this.#pid(id);
      // After the death of its conmon podman may forget a container that lives.
      if (left !== undefined) await this.#privilege.exec(["kill", "-KILL", String(left)]);
      rmSync(pidFile, { force: true });
    }
    await this.#networks.close(this.root.netns(id));
    for (const dir of [this.root.rootfs(id), this.root.lower(id)]) {
      if (!existsSync(this.root.check(dir))) continue;
      await unmountAll(this.#privilege, dir);
      rmdirSync(dir);
    }
    const agentDir = this.root.check(this.root.agentDir(id));
    if (existsSync(agentDir)) await this.#privilege.execOk(["rm", "-rf", agentDir]);
  }

  async stop(id: string, graceful: boolean): Promise<boolean> {
    const ran = this.#pid(id) !== undefined;
    await this.#down(id, graceful);
    return ran;
  }

  async remove(id: string): Promise<boolean> {
    await this.#down(id, false);
    if (!this.#storage.has(id)) return false;
    const { dir } = this.#storage.space(id);
    // rm does not follow links, and crosses no mount that #down left (there is none).
    if ((await mountsBelow(this.#privilege, dir)).length > 0) {
      throw new CodedError({
        code: "helper.busy",
        title: `Something is still mounted below ${dir}`,
        fix: "Unmount it.",
      });
    }
    return await this.#storage.remove(id);
  }

  list(): { project_id: string; pid: number; agent_dir: string }[] {
    return this.#ids().flatMap((project_id) => {
      const pid = this.#pid(project_id);
      return pid === undefined ? [] : [{ project_id, pid, agent_dir: this.root.agentDir(project_id) }];
    });
  }

  logs(id: string): string[] {
    return readAgentLog(join(this.root.check(this.#storage.space(id).meta), "agent.log"));
  }

  /** What no running project has: namespaces, mounts, containers of this instance. */
  async cleanup(): Promise<string[]> {
    const running = new Set(this.list().map(({ project_id }) => project_id));
    const removed: string[] = [];
    const known = new Set([...running].map((id) => this.root.container(id)));
    const prefix = this.root.container("");
    for (const name of (await this.podman.list()).keys()) {
      if (!name.startsWith(prefix) || known.has(name)) continue;
      await this.podman.remove(name, false);
      removed.push(`container ${name}`);
    }
    for (const ns of this.#networks.list(prefix)) {
      if (known.has(ns)) continue;
      await this.#networks.close(ns);
      removed.push(`network ${ns}`);
    }
    const short = new Set([...running].map(shortId));
    for (const kind of ["m", "i", "p"]) {
      const dir = join(this.root.run, kind);
      for (const name of readdirSync(dir)) {
        if (short.has(name)) continue;
        await unmountAll(this.#privilege, join(dir, name));
        const path = this.root.check(join(dir, name));
        // A mount point is removed as the empty directory it must be: never what something mounted meanwhile holds.
        if (kind === "p") await this.#privilege.execOk(["rm", "-rf", path]);
        else rmdirSync(path);
        removed.push(`${kind}/${name}`);
      }
    }
    if (running.size === 0) this.#privilege.release();
    return removed;
  }

  /** The machine may have got another address (DHCP, VPN): what must not be reached follows. */
  async refreshGuards(): Promise<void> {
    try {
      const lans = new Map(this.#records().map((record) => [record.project_id, record.lan]));
      await this.#networks.refresh(
        this.list().map(({ project_id }) => ({
          ns: this.root.netns(project_id),
          lan: lans.get(project_id) ?? "blocked",
        })),
      );
    } catch (error) {
      log.error("the guards of running projects could not be refreshed", { why: messageOf(error) });
    }
  }
}
