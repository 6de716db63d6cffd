/** The same cases through every part a page goes through, over TLS, and through OpenSSH's tunnel. */
import { describe } from "bun:test";
import { conformance } from "./cases.ts";
import { chain } from "./mounts.ts";

describe("gateway, host and agent on one machine", () =>
  conformance(() => chain({ secure: false, tunnel: false })));
describe("gateway over TLS, host and agent", () => conformance(() => chain({ secure: true, tunnel: false })));
describe("gateway over TLS, a reverse tunnel, host and agent", () =>
  conformance(() => chain({ secure: true, tunnel: true })));
