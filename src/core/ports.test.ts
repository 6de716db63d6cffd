import { expect, test } from "bun:test";
import { checkPortsFree, derivePorts, portOwner } from "./ports.ts";

test("ports follow from the base", () => {
  expect(derivePorts(9200)).toMatchObject({
    https: 9200,
    sshd: 9201,
    apps: 9202,
    hostHttp: 9002,
    firstTunnel: 10300,
  });
});

test("a port in use names the process that holds it", async () => {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  try {
    expect(portOwner(server.port)).toContain(`pid ${process.pid}`);
    await expect(checkPortsFree({ HTTPS: server.port }, "127.0.0.1")).rejects.toThrow(
      `Port ${server.port} (HTTPS) is in use`,
    );
  } finally {
    server.stop(true);
  }
});
