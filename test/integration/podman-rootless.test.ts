/** A host without root: the same verbs, the same guard, less isolation between projects. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomUUID } from "node:crypto";
import { createServer, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import { runCommand } from "../../src/contract/project-client.ts";
import type { ProjectManager } from "../../src/host/projects/manager.ts";
import { type HelperLab, startHelperLab, whyNoHelper } from "../fixtures/helper-lab.ts";

const why = whyNoHelper();

describe.skipIf(why !== undefined)(`a host without root${why ? ` (skipped: ${why})` : ""}`, () => {
  let lab: HelperLab;
  let manager: ProjectManager;
  let server: Server;
  let port = 0;
  const id = randomUUID();

  beforeAll(async () => {
    lab = await startHelperLab({ rootless: true });
    server = createServer((socket) => socket.end("SECRET"));
    await new Promise<void>((resolve) => server.listen(0, "0.0.0.0", resolve));
    port = (server.address() as { port: number }).port;
    manager = await lab.manager();
    manager.start(lab.spec(id));
    await lab.until(manager, id, "running");
  }, 120_000);
  afterAll(async () => {
    server.close();
    await lab.stop();
  }, 60_000);

  const sh = async (command: string) => {
    const peer = lab.router.server(`project.${id}.exec`);
    const { stdout, exit } = await runCommand(peer, id, { argv: ["sh", "-c", command] });
    return { out: new TextDecoder().decode(stdout).trim(), code: exit.code };
  };

  test("it says what it is", async () => {
    const hello = await lab.helper.call("hello", {});
    expect([hello.kind, hello.problem]).toEqual(["rootless", null]);
  });

  test("sudo, home and root are the project's, and outlive a stop", async () => {
    expect((await sh("sudo id -u; id -u")).out).toBe("0\n1000");
    await sh("echo kept >~/note; sudo sh -c 'echo kept >/etc/kept'");
    await manager.stop(id);
    expect(await lab.leftovers()).toEqual([]);
    manager.start(lab.spec(id));
    const { timings } = await lab.until(manager, id, "running");
    console.log("rootless start, ms:", timings);
    expect((await sh("cat ~/note /etc/kept")).out).toBe("kept\nkept");
  }, 60_000);

  test("root inside is nobody of weight outside", async () => {
    const { out } = await sh("cat /proc/self/uid_map");
    expect(out.split("\n")[0]?.trim().split(/\s+/)[1]).not.toBe("0");
  });

  test("the guard holds: nothing of this machine or the LAN, and root inside cannot open it", async () => {
    const own = Object.values(networkInterfaces())
      .flatMap((list) => list ?? [])
      .filter(({ internal, family }) => !internal && family === "IPv4")
      .map(({ address }) => address);
    for (const address of ["127.0.0.1", "10.0.2.2", "0.0.0.0", ...own]) {
      const { out } = await sh(
        `python3 -c 'import socket; print(socket.create_connection(("${address}",${port}),3).recv(6))' 2>&1 | tail -1`,
      );
      expect([address, out.includes("SECRET")]).toEqual([address, false]);
    }
    expect((await sh("ip route")).out).toContain("prohibit 192.168.0.0/16");
    expect((await sh("sudo ip route flush table main")).code).not.toBe(0);
    expect((await sh("sudo ip route del prohibit 192.168.0.0/16")).code).not.toBe(0);
    expect((await sh("ip route")).out).toContain("prohibit 192.168.0.0/16");
  }, 60_000);

  test("the helper is killed: the project lives and is adopted", async () => {
    const { running } = await lab.helper.call("project.list", {});
    process.kill(lab.helperPid(), "SIGKILL");
    await lab.startHelper();
    expect((await lab.helper.call("project.list", {})).running).toEqual(running);
    expect((await sh("echo alive")).out).toBe("alive");
  }, 60_000);

  test("the doctor's check, and removal with nothing left", async () => {
    expect((await lab.helper.call("runtime.check", { digest: lab.digest })).ok).toBe(true);
    expect(await manager.remove(id)).toBe(true);
    await lab.helper.call("cleanup", {});
    expect(await lab.leftovers()).toEqual([]);
  }, 60_000);
});
