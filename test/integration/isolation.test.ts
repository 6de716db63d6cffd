/**
 * What a project can reach, tried from inside a real container. The neighbours are real too: a namespace stands for
 * the LAN, the metadata service and the internet, and each target is first reached from the machine itself, so that
 * “blocked” never means “was not there”.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomUUID } from "node:crypto";
import { createServer, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import { runCommand } from "../../src/contract/project-client.ts";
import { cleanEnv, exec, execOk } from "../../src/core/exec.ts";
import type { ProjectManager } from "../../src/host/projects/manager.ts";
import { type HelperLab, startHelperLab, whyNoHelper } from "../fixtures/helper-lab.ts";

const why = whyNoHelper();
const OUTSIDE = "lpiso";
const LINK = "lpiso0";
const PORT = 18_761;
/** Routed beyond the neighbour, so on no network of this machine: the internet's stand-in. */
const INTERNET = "198.19.77.7";
const NEIGHBOUR = "198.18.231.2";
const HERE = "198.18.231.1";
const METADATA = "169.254.169.254";
const PRIVATE = ["10.213.0.9", "172.29.213.9", "192.168.213.9", "100.99.213.9"];

const probe = `
import socket,sys
for target in sys.argv[1:]:
    host,port=target.rsplit("|",1)
    try:
        s=socket.create_connection((host,int(port)),3); s.settimeout(3)
        print(target, "reached" if s.recv(6)==b"SECRET" else "connected"); s.close()
    except Exception as e: print(target, "blocked", type(e).__name__, e)
`;

describe.skipIf(why !== undefined)(`isolation of a project${why ? ` (skipped: ${why})` : ""}`, () => {
  let lab: HelperLab;
  let manager: ProjectManager;
  const servers: Server[] = [];
  const a = randomUUID();
  const b = randomUUID();
  const open = randomUUID();
  /** On this machine's own programs. */
  const own = randomUUID();
  let outside: ReturnType<typeof Bun.spawn> | undefined;
  let loopbackPort = 0;
  let anyPort = 0;
  const ip = (...args: string[]) => execOk(["ip", ...args]);

  const serve = (host: string) =>
    new Promise<number>((resolve, reject) => {
      const server = createServer((socket) => {
        socket.on("error", () => {});
        socket.end("SECRET");
      });
      server.on("error", reject);
      server.listen(0, host, () => {
        servers.push(server);
        resolve((server.address() as { port: number }).port);
      });
    });

  const clear = async () => {
    await exec(["ip", "link", "del", LINK]);
    await exec(["ip", "netns", "del", OUTSIDE]);
  };

  beforeAll(async () => {
    lab = await startHelperLab();
    await clear();
    await ip("netns", "add", OUTSIDE);
    await ip("link", "add", LINK, "type", "veth", "peer", "name", "wan", "netns", OUTSIDE);
    await ip("addr", "add", `${HERE}/24`, "dev", LINK);
    await ip("link", "set", LINK, "up");
    await ip("-n", OUTSIDE, "link", "set", "lo", "up");
    await ip("-n", OUTSIDE, "link", "set", "wan", "up");
    await ip("-n", OUTSIDE, "addr", "add", `${NEIGHBOUR}/24`, "dev", "wan");
    for (const address of [INTERNET, METADATA, ...PRIVATE]) {
      await ip("-n", OUTSIDE, "addr", "add", `${address}/32`, "dev", "lo");
      await ip("route", "replace", `${address}/32`, "via", NEIGHBOUR);
    }
    const server = `
import socket
s=socket.socket(); s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1); s.bind(("0.0.0.0",${PORT})); s.listen(64); print("ready",flush=True)
while True:
    c,_=s.accept()
    c.sendall(b"SECRET"); c.close()
`;
    outside = Bun.spawn(["ip", "netns", "exec", OUTSIDE, "python3", "-c", server], {
      cwd: "/",
      env: cleanEnv(),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "ignore",
    });
    await (outside.stdout as ReadableStream<Uint8Array>).getReader().read();
    loopbackPort = await serve("127.0.0.1");
    anyPort = await serve("0.0.0.0");
    manager = await lab.manager();
    for (const id of [a, b]) manager.start(lab.spec(id));
    manager.start(lab.spec(open, { lan: "open" }));
    manager.start(lab.spec(own, { image: "system" }));
    for (const id of [a, b, open]) await lab.until(manager, id, "running");
    await lab.until(manager, own, "running", 60_000);
  }, 120_000);

  afterAll(async () => {
    for (const server of servers) server.close();
    outside?.kill("SIGKILL");
    await clear();
    await lab.stop();
  }, 60_000);

  const inside = async (id: string, argv: string[]) => {
    const { exit, stdout, stderr } = await runCommand(lab.router.server(`project.${id}.exec`), id, { argv });
    return { code: exit.code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
  };

  const ask = async (id: string, targets: string[]) => {
    const { out } = await inside(id, ["python3", "-c", probe, ...targets]);
    return new Map(
      out
        .trim()
        .split("\n")
        .map((line) => [line.split(" ")[0] ?? "", line.split(" ").slice(1).join(" ")]),
    );
  };

  const addresses = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter((one) => !one.internal && one.address !== HERE);

  test("the matrix", async () => {
    const sibling = `import socket
s=socket.socket(); s.bind(("0.0.0.0",8000)); s.listen(); print("x",flush=True)
while True:
    c,_=s.accept(); c.sendall(b"SECRET"); c.close()`;
    await inside(b, ["sh", "-c", `setsid python3 -c '${sibling}' >/dev/null 2>&1 & sleep 0.5`]);
    const rows: [string, string, "blocked" | "reached"][] = [
      ["this machine's loopback", `127.0.0.1|${loopbackPort}`, "blocked"],
      ["the same by the gateway", `10.0.2.2|${loopbackPort}`, "blocked"],
      ["a service on 0.0.0.0 by loopback", `127.0.0.1|${anyPort}`, "blocked"],
      ["the same by the gateway", `10.0.2.2|${anyPort}`, "blocked"],
      ["the same by 0.0.0.0", `0.0.0.0|${anyPort}`, "blocked"],
      ["the same by the machine's address", `${HERE}|${anyPort}`, "blocked"],
      ...addresses.map(({ address, family }): [string, string, "blocked"] => [
        `the same by its ${family} address`,
        `${address}|${anyPort}`,
        "blocked",
      ]),
      ["another project's port", "10.0.2.100|8000", "blocked"],
      ["a neighbour on the LAN", `${NEIGHBOUR}|${PORT}`, "blocked"],
      ...PRIVATE.map((address): [string, string, "blocked"] => [
        "a private range",
        `${address}|${PORT}`,
        "blocked",
      ]),
      ["the metadata address", `${METADATA}|${PORT}`, "blocked"],
      ["the internet (a stand-in)", `${INTERNET}|${PORT}`, "reached"],
    ];
    // Each target answers this machine: what is blocked below is blocked by the guard.
    const controls = [NEIGHBOUR, ...PRIVATE, METADATA, INTERNET].map((address) => `${address}|${PORT}`);
    controls.push(`127.0.0.1|${loopbackPort}`, `${HERE}|${anyPort}`);
    const control = await execOk(["python3", "-c", probe, ...controls], { timeout: 60_000 });
    expect(
      control
        .trim()
        .split("\n")
        .filter((line) => !line.endsWith("reached")),
    ).toEqual([]);

    const targets = rows.map(([, target]) => target);
    const [got, gotOwn] = await Promise.all([ask(a, targets), ask(own, targets)]);
    const table = rows.map(([what, target, want]) => ({
      what,
      target,
      want,
      got: got.get(target) ?? "no answer",
      "on the image system": gotOwn.get(target) ?? "no answer",
    }));
    console.table(table);
    expect(
      table.filter((row) => ![row.got, row["on the image system"]].every((one) => one.startsWith(row.want))),
    ).toEqual([]);
  }, 120_000);

  test("with the LAN open: neighbours yes, this machine and metadata no", async () => {
    const got = await ask(open, [
      `${NEIGHBOUR}|${PORT}`,
      `192.168.213.9|${PORT}`,
      `${HERE}|${anyPort}`,
      `${METADATA}|${PORT}`,
    ]);
    expect([...got.values()].map((value) => value.split(" ")[0])).toEqual([
      "reached",
      "reached",
      "blocked",
      "blocked",
    ]);
  }, 60_000);

  test("root inside cannot open the guard", async () => {
    for (const command of [
      "ip route del prohibit 192.168.0.0/16",
      "ip route replace 192.168.213.9/32 via 10.0.2.2 dev tap0 onlink",
      "ip link add x type dummy",
      "unshare -Urn --map-root-user nsenter -t 1 -n ip route flush table main",
      "mount -t tmpfs x /mnt && umount /mnt && mount -o remount,rw /opt/cocalc/cocalc-project-host",
      "sh -c 'echo x >/opt/cocalc/cocalc-project-host'",
      "sh -c 'echo 0 >/proc/sys/net/ipv6/conf/all/disable_ipv6'",
      "sh -c 'echo x >/proc/sysrq-trigger'",
      "mknod /tmp/disk b 254 0",
    ]) {
      for (const id of [a, own]) {
        const { code } = await inside(id, ["sudo", "sh", "-c", command]);
        expect([command, code === 0]).toEqual([command, false]);
      }
    }
  }, 60_000);

  test("ids: root inside is nobody outside, and no two projects share one", async () => {
    const uids = new Set<string>();
    for (const id of [a, b, open, own]) {
      const { out } = await inside(id, ["cat", "/proc/self/uid_map"]);
      const [first, base, count] = out.trim().split(/\s+/);
      expect([first, count]).toEqual(["0", "65536"]);
      expect(Number(base)).toBeGreaterThanOrEqual(200_000);
      uids.add(base ?? "");
    }
    expect(uids.size).toBe(4);
  });

  test("what the project needs works: sudo, a writable home and root, names, limits", async () => {
    expect((await inside(a, ["sudo", "id", "-u"])).out.trim()).toBe("0");
    expect((await inside(a, ["sh", "-c", "echo hi >~/x && cat ~/x && pwd"])).out).toBe("hi\n/home/user\n");
    expect(
      (
        await inside(a, [
          "sudo",
          "sh",
          "-c",
          "mv /usr/share/doc /usr/share/doc2 && touch /etc/new && rm /etc/new",
        ])
      ).code,
    ).toBe(0);
    expect((await inside(a, ["getent", "hosts", "localhost"])).code).toBe(0);
    expect((await inside(a, ["cat", "/etc/resolv.conf"])).out).toContain("10.0.2.3");
    const hog = await inside(a, ["python3", "-c", "x=bytearray(700*2**20); print(len(x))"]);
    expect(hog.code).not.toBe(0);
    const forks = await inside(a, [
      "sh",
      "-c",
      "for i in $(seq 400); do sleep 2 & done 2>/dev/null; wait; echo",
    ]);
    // Of 400 processes 200 are allowed: the shell says that it cannot fork.
    expect([forks.code === 0, forks.err === ""]).not.toEqual([true, true]);
    // The project lives on after its memory and processes ran out.
    expect((await inside(a, ["echo", "alive"])).out).toBe("alive\n");
  }, 60_000);
});
