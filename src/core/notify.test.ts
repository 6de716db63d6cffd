import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { heartbeat, socketAddress } from "./notify.ts";

test("the address of a path ends with a NUL, that of an abstract name begins with one", () => {
  expect(socketAddress("/run/n")).toEqual(Buffer.from("\x01\x00/run/n\x00", "latin1"));
  expect(socketAddress("@name")).toEqual(Buffer.from("\x01\x00\x00name", "latin1"));
  expect(socketAddress("x".repeat(108))).toBeUndefined();
});

test("a heartbeat is half of what the unit allows, and only for the process it is meant for", () => {
  expect(heartbeat({ WATCHDOG_USEC: "60000000" }, 7)).toBe(30_000);
  expect(heartbeat({ WATCHDOG_USEC: "60000000", WATCHDOG_PID: "8" }, 7)).toBeUndefined();
  expect(heartbeat({}, 7)).toBeUndefined();
});

test("what a service says arrives at the socket, the status in one line", async () => {
  const dir = mkdtempSync(join(tmpdir(), "cc-notify-"));
  const path = join(dir, "s");
  const listener = Bun.spawn(
    [
      "python3",
      "-c",
      "import socket,sys\ns=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM);s.bind(sys.argv[1]);print('bound',flush=True);s.settimeout(20)\nfor _ in range(3): print(repr(s.recv(999).decode()),flush=True)",
      path,
    ],
    { stdout: "pipe" },
  );
  const reader = listener.stdout.getReader();
  let said = new TextDecoder().decode((await reader.read()).value);
  const service = Bun.spawn(
    [
      process.execPath,
      "-e",
      'const { serviceNotifier } = await import(process.argv[1]); const n = serviceNotifier(); n.ready("a\\nWATCHDOG=0"); n.status("b"); n.stopping();',
      join(import.meta.dir, "notify.ts"),
    ],
    { env: { NOTIFY_SOCKET: path, PATH: process.env.PATH ?? "" } },
  );
  expect(await service.exited).toBe(0);
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    said += new TextDecoder().decode(value);
  }
  expect(said.trim().split("\n").slice(1)).toEqual([
    "'READY=1\\nSTATUS=a WATCHDOG=0'",
    "'STATUS=b'",
    "'STOPPING=1\\nSTATUS=stopping'",
  ]);
  rmSync(dir, { recursive: true, force: true });
});
