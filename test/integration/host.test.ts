/** Projects on a real host: start, kills of each part, adoption, stop and remove, with nothing left behind. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { runCommand } from "../../src/contract/project-client.ts";
import { CodedError } from "../../src/core/errors.ts";
import { exec } from "../../src/core/exec.ts";
import type { ProjectManager } from "../../src/host/projects/manager.ts";
import { type HelperLab, startHelperLab, whyNoHelper } from "../fixtures/helper-lab.ts";
import { until } from "../fixtures/running-hub.ts";

const why = whyNoHelper();
/** The issue's promise for every kill. */
const BACK_MS = 10_000;

describe.skipIf(why !== undefined)(`projects on a host${why ? ` (skipped: ${why})` : ""}`, () => {
  let lab: HelperLab;
  let manager: ProjectManager;
  const id = randomUUID();
  /** Which version of its image each start wanted. */
  const asked: (string | null)[] = [];

  beforeAll(async () => {
    lab = await startHelperLab();
    manager = await lab.manager(async (_name, began) => {
      asked.push(began);
      return lab.digest;
    });
    manager.start(lab.spec(id));
    await lab.until(manager, id, "running");
  }, 120_000);
  afterAll(async () => await lab.stop(), 60_000);

  const sh = async (project: string, command: string): Promise<string> => {
    const peer = lab.router.server(`project.${project}.exec`);
    const { stdout } = await runCommand(peer, project, { argv: ["sh", "-c", command] });
    return new TextDecoder().decode(stdout).trim();
  };
  const eventually = async <T>(
    read: () => Promise<T>,
    good: (value: T) => boolean,
    ms = BACK_MS,
  ): Promise<T> => {
    const end = Date.now() + ms;
    for (;;) {
      try {
        const value = await read();
        if (good(value)) return value;
        if (Date.now() > end) return value;
      } catch (error) {
        if (Date.now() > end) throw error;
      }
      await Bun.sleep(50);
    }
  };
  const pidOf = async (project: string) => {
    const { running } = await lab.helper.call("project.list", {});
    return running.find((one) => one.project_id === project)?.pid;
  };
  /** Pids whose command line has both texts. */
  const pids = async (program: string, text: string) =>
    (await exec(["pgrep", "-f", `${program}.*${text}`])).stdout
      .trim()
      .split("\n")
      .filter(Boolean)
      .map(Number);

  test("one that was restored or moved here starts on the version that it came with, whatever the image is by now", async () => {
    expect(asked).toEqual([null]);
    const moved = randomUUID();
    await lab.helper.call("project.prepare", { project_id: moved, digest: lab.digest });
    manager.start(lab.spec(moved));
    await lab.until(manager, moved, "running");
    expect(asked).toEqual([null, lab.digest]);
    await manager.remove(moved);
  }, 60_000);

  test("files and installed changes outlive a stop and a start", async () => {
    await sh(
      id,
      "echo kept >~/note; sudo sh -c 'echo kept >/etc/kept; rm -r /usr/share/perl5; mkdir /usr/share/perl5'",
    );
    expect((await manager.stop(id)).state).toBe("stopped");
    expect(await lab.leftovers()).toEqual([]);
    manager.start(lab.spec(id));
    await lab.until(manager, id, "running");
    expect(await sh(id, "cat ~/note /etc/kept; ls /usr/share/perl5 | wc -l")).toBe("kept\nkept\n0");
  }, 60_000);

  test("a restarted daemon adopts the project, whose processes notice nothing", async () => {
    const before = await sh(id, "setsid sleep 1000 >/dev/null 2>&1 & echo $!");
    const pid = await pidOf(id);
    manager.close();
    manager = await lab.manager();
    await lab.until(manager, id, "running", BACK_MS);
    expect(await pidOf(id)).toBe(pid as number);
    expect(await sh(id, `ps -o args= -p ${before}`)).toBe("sleep 1000");
  }, 60_000);

  test("the helper is killed: the project lives, a new helper knows it", async () => {
    const pid = await pidOf(id);
    process.kill(lab.helperPid(), "SIGKILL");
    expect(await sh(id, "echo alive")).toBe("alive");
    await lab.startHelper();
    expect(await pidOf(id)).toBe(pid as number);
    expect(await sh(id, "echo alive")).toBe("alive");
  }, 60_000);

  test("conmon is killed: the project lives, and can be stopped and started", async () => {
    const [conmon] = await pids("conmon", lab.prefix + id.replaceAll("-", "").slice(0, 12));
    expect(conmon).toBeGreaterThan(1);
    process.kill(conmon as number, "SIGKILL");
    expect(await sh(id, "echo alive")).toBe("alive");
    await manager.stop(id);
    expect(await lab.leftovers()).toEqual([]);
    manager.start(lab.spec(id));
    await lab.until(manager, id, "running");
  }, 60_000);

  test("slirp4netns is killed: its place is taken, the guard held meanwhile", async () => {
    const ns = lab.prefix + id.replaceAll("-", "").slice(0, 12);
    const [slirp] = await pids("slirp4netns", ns);
    process.kill(slirp as number, "SIGKILL");
    expect((await exec(["ip", "-n", ns, "route"])).stdout).toContain("prohibit 192.168.0.0/16");
    const route = await eventually(
      async () => (await exec(["ip", "-n", ns, "route"])).stdout,
      (text) => text.includes("default via 10.0.2.2"),
    );
    expect(route).toContain("default via 10.0.2.2");
    expect(route).toContain("prohibit 192.168.0.0/16");
  }, 30_000);

  test("the agent is killed: the project is back by itself", async () => {
    const pid = (await pidOf(id)) as number;
    const killed = Date.now();
    process.kill(pid, "SIGKILL");
    const answer = await eventually(
      () => sh(id, "echo back"),
      (text) => text === "back",
    );
    expect(answer).toBe("back");
    expect(await pidOf(id)).not.toBe(pid);
    console.log(`agent killed: project answered again after ${Date.now() - killed} ms`);
  }, 30_000);

  test("power loss: no runtime directory, stale records of podman; it starts", async () => {
    const twelve = id.replaceAll("-", "").slice(0, 12);
    const pid = (await pidOf(id)) as number;
    manager.close();
    const pidFile = `/run/${lab.prefix.slice(0, -1)}/${twelve}.pid`;
    expect(Number(readFileSync(pidFile, "utf8"))).toBe(pid);
    await exec(["rm", "-f", pidFile]);
    process.kill(pid, "SIGKILL");
    manager = await lab.manager();
    await lab.until(manager, id, "running", BACK_MS);
    expect(await sh(id, "cat ~/note")).toBe("kept");
  }, 30_000);

  test("a start that nobody asked for is tried again when it fails; one that was asked for tells why at once", async () => {
    let fails = 0;
    const image = async () => {
      if (fails-- > 0) throw new CodedError({ code: "test.busy", title: "the machine is busy" });
      return lab.digest;
    };
    const pid = (await pidOf(id)) as number;
    manager.close();
    process.kill(pid, "SIGKILL");
    fails = 1;
    manager = await lab.manager(image);
    expect((await lab.until(manager, id, "queued", BACK_MS)).problem?.code).toBe("test.busy");
    expect((await lab.until(manager, id, "running", BACK_MS)).problem).toBeNull();
    await manager.stop(id);
    fails = 1;
    manager.start(lab.spec(id));
    expect((await lab.until(manager, id, "failed", BACK_MS)).problem?.code).toBe("test.busy");
    manager.start(lab.spec(id));
    await lab.until(manager, id, "running", BACK_MS);
  }, 60_000);

  test("two starts of one project at once make one container", async () => {
    const token = "0123456789abcdef";
    const other = randomUUID();
    const { limits, lan } = lab.spec(other);
    const params = { project_id: other, digest: lab.digest, token, lan, ...limits };
    const both = await Promise.all([
      lab.helper.call("project.start", params),
      lab.helper.call("project.start", params),
    ]);
    expect(both[0].pid).toBe(both[1].pid);
    expect(both.map(({ adopted }) => adopted).sort()).toEqual([false, true]);
    await lab.helper.call("project.remove", { project_id: other });
  }, 30_000);

  test("ten starts at once: four at a time, places told, all run; a start's time", async () => {
    const ids = Array.from({ length: 10 }, () => randomUUID());
    for (const one of ids)
      manager.start(lab.spec(one, { limits: { memory_bytes: 2 ** 28, cpus: 1, pids: 100 } }));
    const places = manager.statuses().flatMap(({ queue_place }) => queue_place ?? []);
    expect(places.length).toBeGreaterThanOrEqual(5);
    for (const one of ids) await lab.until(manager, one, "running", 60_000);
    await Promise.all(ids.map((one) => manager.stop(one)));
    const took: number[] = [];
    for (const one of ids) {
      const began = performance.now();
      manager.start(lab.spec(one));
      await lab.until(manager, one, "running");
      await sh(one, "true");
      took.push(Math.round(performance.now() - began));
      await manager.remove(one);
    }
    took.sort((a, b) => a - b);
    console.log(`start to first command, warm image, ms: p50 ${took[5]}, all ${took.join(" ")}`);
  }, 120_000);

  test("a start that cannot be is told with its cause, and leaves nothing", async () => {
    const other = randomUUID();
    const failure = lab.helper.call("project.start", {
      project_id: other,
      digest: "0".repeat(64),
      token: "0123456789abcdef",
      lan: "blocked",
      ...lab.spec(other).limits,
    });
    expect(await failure.catch((error: CodedError) => error.code)).toBe("image.absent");
    expect(
      await lab.helper.call("image.unpack", { digest: "0".repeat(64) }).catch((e: CodedError) => e.code),
    ).toBe("image.broken");
  });

  test("the doctor's check runs and cleans up after itself", async () => {
    const before = await lab.leftovers();
    expect((await lab.helper.call("runtime.check", { digest: lab.digest })).ok).toBe(true);
    expect((await lab.leftovers()).length).toBe(before.length);
  }, 30_000);

  test("removed: no namespace, mount, process, directory or file is left", async () => {
    const cgroups = async () =>
      (await exec(["find", "/sys/fs/cgroup", "-maxdepth", "4", "-name", "libpod-*"])).stdout;
    const before = (await cgroups()).split("\n").length;
    expect(await manager.remove(id)).toBe(true);
    // conmon looks once more at what has ended, which takes a busy machine a moment.
    await until("nothing is left", async () => (await lab.leftovers()).length === 0, 10_000).catch(() => {});
    expect(await lab.leftovers()).toEqual([]);
    expect((await cgroups()).split("\n").length).toBeLessThan(before);
    expect(await pidOf(id)).toBeUndefined();
    expect(await manager.remove(id)).toBe(false);
  }, 30_000);
});
