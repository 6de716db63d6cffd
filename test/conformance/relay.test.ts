/** The relay by itself, and two in a row as hub and host are. */
import { describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { conformance } from "./cases.ts";
import { raw, relays, relayTo } from "./mounts.ts";

describe("one relay", () => conformance(() => relays(1)));
describe("two relays in a row", () => conformance(() => relays(2)));

test("nothing listens: an answer, not a hang", async () => {
  const dead = await relayTo(1);
  const mount = { connect: () => connect(dead.port, "127.0.0.1") };
  expect(await raw(mount, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 4000)).toStartWith(
    "HTTP/1.1 502",
  );
  const upgrade = "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
  expect(await raw(mount, upgrade, 4000)).toStartWith("HTTP/1.1 502");
  dead.close();
});
