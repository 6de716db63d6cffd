/** With real sockets and a real `ssh-keyscan`: what the check says where no key is to be seen. */
import { afterEach, expect, test } from "bun:test";
import { createServer, type Server, type Socket } from "node:net";
import { sshdCheck } from "./sshd-check.ts";

let server: Server | undefined;
afterEach(() => server?.close());

/** The port of a server that does as told with each connection. */
async function listen(onConnection: (socket: Socket) => void): Promise<number> {
  const made = createServer(onConnection);
  server = made;
  await new Promise<void>((resolve) => made.listen(0, "127.0.0.1", resolve));
  return (made.address() as { port: number }).port;
}

const check = (port: number, needed = true) =>
  sshdCheck("Hub", {
    port,
    publicKey: async () => "ssh-ed25519 AAAA",
    needed: async () => needed,
    patience: 1,
  }).run(new AbortController().signal);

test("a closed port is a failure, and no fault while nobody needs it", async () => {
  const port = await listen(() => {});
  await new Promise((resolve) => server?.close(resolve));
  const outcome = await check(port);
  expect(outcome.status).toBe("fail");
  expect(outcome.problem?.code).toBe("sshd.not-running");
  expect(outcome.problem?.why).toBe("The port is closed.");
  expect((await check(port, false)).status).toBe("skipped");
});

test("an open port that keeps silent is unknown: a busy server is not a closed port", async () => {
  const held: Socket[] = [];
  const outcome = await check(await listen((socket) => void held.push(socket)));
  for (const socket of held) socket.destroy();
  expect(outcome.status).toBe("unknown");
  expect(outcome.problem?.title).toContain("showed no key within 1 s");
});

test("a server of another kind is a failure that says who to look for", async () => {
  const port = await listen((socket) => void socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
  const outcome = await check(port);
  expect(outcome.status).toBe("fail");
  expect(outcome.problem?.code).toBe("sshd.no-key");
  expect(outcome.problem?.command).toContain(`:${port}`);
});
