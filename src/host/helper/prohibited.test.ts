import { expect, test } from "bun:test";
import { prohibited } from "./prohibited.ts";

const here = [
  { addr_info: [{ family: "inet", local: "127.0.0.1", prefixlen: 8 }] },
  {
    addr_info: [
      { family: "inet", local: "203.0.113.77", prefixlen: 26 },
      { family: "inet6", local: "fd00::2" },
    ],
  },
  { addr_info: [{ family: "inet", local: "198.51.100.9", prefixlen: 32 }] },
  {},
];

test("blocked: private ranges, metadata, this machine, and networks it is on even when public", () => {
  const nets = prohibited(here, "blocked");
  for (const net of [
    "10.0.0.0/8",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "203.0.113.77/32",
    "203.0.113.64/26",
    "198.51.100.9/32",
  ])
    expect(nets).toContain(net);
  expect(nets.some((net) => net.startsWith("127."))).toBe(false);
});

test("open: neighbours yes; this machine and metadata still not", () => {
  const nets = prohibited(here, "open");
  expect(nets).toContain("203.0.113.77/32");
  expect(nets).toContain("169.254.0.0/16");
  expect(nets).not.toContain("203.0.113.64/26");
  expect(nets).not.toContain("192.168.0.0/16");
});

test("an answer that is no list shuts all the same", () => {
  expect(prohibited(null, "blocked")).toContain("10.0.0.0/8");
});
