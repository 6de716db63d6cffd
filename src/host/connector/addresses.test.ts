import { afterAll, expect, test } from "bun:test";
import { answering, chooseAddress, listening } from "./addresses.ts";

const none: ReadonlySet<string> = new Set();

test("what worked last goes first; a stranger's address only when nobody else answers", () => {
  expect(chooseAddress(["a", "b"], { good: null, wrong: none })).toBe("a");
  expect(chooseAddress(["a", "b"], { good: "b", wrong: none })).toBe("b");
  expect(chooseAddress(["a"], { good: "b", wrong: none })).toBe("a");
  expect(chooseAddress(["a", "b"], { good: "a", wrong: new Set(["a"]) })).toBe("b");
  expect(chooseAddress(["a"], { good: null, wrong: new Set(["a"]) })).toBe("a");
  expect(chooseAddress([], { good: "a", wrong: none })).toBeUndefined();
});

const open = (hostname: string, text: string) =>
  Bun.listen({
    hostname,
    port: 0,
    socket: {
      open(socket) {
        if (text) socket.write(text);
      },
      data() {},
    },
  });
const ssh = open("127.0.0.2", "SSH-2.0-OpenSSH_9.2\r\n");
afterAll(() => ssh.stop(true));

test("of many addresses, those where an SSH server answers; nobody waits for the rest", async () => {
  const began = Date.now();
  // 127.0.0.1 refuses; 192.0.2.1 (RFC 5737) swallows every packet, or has no route.
  expect(await answering(["192.0.2.1", "127.0.0.1", "127.0.0.2"], ssh.port)).toEqual(["127.0.0.2"]);
  expect(Date.now() - began).toBeLessThan(4_000);
});

test("another protocol on the port is no answer where SSH is looked for", async () => {
  const web = open("127.0.0.3", "HTTP/1.1 400 Bad Request\r\n\r\n");
  expect(await answering(["127.0.0.3"], web.port)).toEqual([]);
  expect(await listening(["127.0.0.2", "127.0.0.3"], web.port)).toEqual(["127.0.0.3"]);
  web.stop(true);
});
