import { expect, test } from "bun:test";
import { listeningPorts, parseAddress, parseListeners } from "./ports.ts";

test("addresses of /proc/net/tcp and tcp6", () => {
  expect(parseAddress("0100007F")).toBe("127.0.0.1");
  expect(parseAddress("00000000")).toBe("0.0.0.0");
  expect(parseAddress("00000000000000000000000000000000")).toBe("::");
  expect(parseAddress("00000000000000000000000001000000")).toBe("::1");
  expect(parseAddress("0000000000000000FFFF00000100007F")).toBe("127.0.0.1");
  expect(parseAddress("000080FE00000000FF565002BD69B1FE")).toBe("fe80::250:56ff:feb1:69bd");
});

test("only listening sockets", () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0000000000000000
   1: 0100007F:1F91 0100007F:1234 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0000000000000000
   garbage`;
  expect(parseListeners(table)).toEqual([{ address: "127.0.0.1", port: 8080, inode: "4242" }]);
});

test.skipIf(process.platform !== "linux")("a real listener and its process (needs Linux)", async () => {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  try {
    const found = (await listeningPorts()).find(({ port }) => port === server.port);
    expect(found).toMatchObject({ address: "127.0.0.1", pid: process.pid });
    expect(found?.command).toContain("bun");
  } finally {
    server.stop(true);
  }
});
