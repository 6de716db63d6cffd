import { expect, test } from "bun:test";
import { createGate, isLoopback, MAX_CONNECTIONS, MAX_PER_ADDRESS, networkOf } from "./limits.ts";

test("an address is its network: IPv4 whole, mapped as IPv4, IPv6 by its /64", () => {
  expect(networkOf("192.0.2.7")).toBe("192.0.2.7");
  expect(networkOf("::ffff:192.0.2.7")).toBe("192.0.2.7");
  expect(networkOf("2001:db8:1:2:3:4:5:6")).toBe("2001:db8:1:2");
  expect(networkOf("2001:db8:1:2::9")).toBe("2001:db8:1:2");
  expect(networkOf("2001:db8::9")).toBe("2001:db8:0:0");
  expect(["127.0.0.1", "::1", "::ffff:127.0.0.2", "10.0.0.1", "::12"].map(isLoopback)).toEqual([
    true,
    true,
    true,
    false,
    false,
  ]);
});

test("one address cannot take every place, and gives its places back", () => {
  const gate = createGate();
  for (let n = 0; n < MAX_PER_ADDRESS; n++) expect(gate.enter("192.0.2.7")).toBe("take");
  expect(gate.enter("192.0.2.7")).toBe("too-many-of-address");
  expect(gate.enter("192.0.2.8")).toBe("take");
  gate.leave("192.0.2.7");
  expect(gate.enter("192.0.2.7")).toBe("take");
  for (let n = 0; n < MAX_CONNECTIONS - MAX_PER_ADDRESS - 1; n++)
    expect(gate.enter("127.0.0.1")).toBe("take");
  expect(gate.enter("127.0.0.1")).toBe("too-many");
  expect(gate.enter("198.51.100.1")).toBe("too-many");
});

test("refusals block an address for one window, which ends although it goes on trying; a tunnel is never blocked", () => {
  let now = 0;
  const gate = createGate(() => now);
  for (let n = 0; n < 121; n++) {
    gate.refused("192.0.2.7");
    gate.refused("127.0.0.1");
  }
  expect(gate.enter("192.0.2.7")).toBe("refused-too-often");
  expect(gate.enter("127.0.0.1")).toBe("take");
  expect(gate.enter("192.0.2.8")).toBe("take");
  now = 59_999;
  expect(gate.enter("192.0.2.7")).toBe("refused-too-often");
  now = 60_000;
  expect(gate.enter("192.0.2.7")).toBe("take");
});
