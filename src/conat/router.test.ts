import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { CodedError } from "../core/errors.ts";
import { encodeAddressed, encodeFrame, encodeJson, encodeU32, FRAME, type FrameType } from "./frame.ts";
import { Peer } from "./peer.ts";
import { Router } from "./router.ts";
import { STREAM_WINDOW_BYTES } from "./stream.ts";
import { memoryTransports } from "./transport-stream.ts";

/** A router with a caller (a browser) and a server (an agent) of `project.A.>`. */
function triangle(allow = ["project.A.>"]) {
  const router = new Router<string>();
  const [a, b] = memoryTransports();
  const [c, d] = memoryTransports();
  const browser = new Peer(a, { heartbeat: false });
  const caller = router.attach(new Peer(b, { heartbeat: false }), { allow, serve: [], data: "anna" });
  const agentEnd = new Peer(c, { heartbeat: false });
  const agent = new Router<string>();
  agent.attach(agentEnd, { allow: ["project.A.>"], serve: [], data: "host" });
  const served = router.attach(new Peer(d, { heartbeat: false }), {
    allow: [],
    serve: ["project.A.>"],
    data: "agent",
  });
  return { router, browser, caller, agent, agentEnd, served };
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof CodedError) return error.code;
    throw error;
  }
  return "none";
}
const turn = () => new Promise((resolve) => setTimeout(resolve, 5));

describe("router", () => {
  test("a request goes through to the peer that serves it, and errors come back with their code", async () => {
    const { browser, agent } = triangle();
    agent.handle("project.A.add", (_, data) => (data as number[]).reduce((a, b) => a + b));
    agent.handle("project.A.fail", () => {
      throw new CodedError({ code: "file.changed", title: "It changed", why: "because", status: 409 });
    });
    expect(await browser.request("project.A.add", [1, 2, 3])).toBe(6);
    const failed = browser.request("project.A.fail");
    expect(await failed.catch((e) => e.details)).toEqual({
      code: "file.changed",
      title: "It changed",
      why: "because",
      status: 409,
    });
  });

  test("forbidden, nobody there, timeout, and a server that goes away", async () => {
    const { browser, router, agent, agentEnd } = triangle(["project.A.>", "project.B.>"]);
    const aborted: boolean[] = [];
    agent.handle("project.A.never", (_s, _d, { signal }) => {
      signal.addEventListener("abort", () => aborted.push(true));
      return new Promise(() => {});
    });
    expect(await codeOf(browser.request("project.C.x"))).toBe("conat.forbidden");
    expect(await codeOf(browser.request("project.B.x"))).toBe("conat.no-responder");
    expect(await codeOf(browser.request("project.A.x"))).toBe("conat.no-responder");
    expect(await codeOf(router.request("project.B.x"))).toBe("conat.no-responder");
    expect(await codeOf(browser.request("project.A.never", 1, { timeout: 20 }))).toBe("conat.timeout");
    await turn();
    expect(aborted).toEqual([true]);
    const pending = codeOf(browser.request("project.A.never"));
    await turn();
    agentEnd.close();
    expect(await pending).toBe("conat.disconnected");
  });

  test("publications reach who subscribed and may, not their sender, and not beyond the rights", async () => {
    const { browser, router, agentEnd } = triangle();
    const seen: unknown[] = [];
    browser.subscribe("project.A.changed", (subject, data) => seen.push([subject, data]));
    await turn();
    agentEnd.publish("project.A.changed", { path: "x" });
    agentEnd.publish("project.B.changed", { path: "y" });
    await turn();
    router.publish("project.A.changed", 2, ({ data }) => data === "somebody else");
    router.publish("project.A.changed", 3, ({ data }) => data === "anna");
    await turn();
    expect(seen).toEqual([
      ["project.A.changed", { path: "x" }],
      ["project.A.changed", 3],
    ]);
    const closed = new Promise<CodedError>((resolve) => browser.onClose(resolve));
    browser.subscribe("project.>", () => {});
    expect((await closed).code).toBe("conat.forbidden");
  });

  test("streams: bytes both ways in order, messages, half-close", async () => {
    const { browser, agent } = triangle();
    agent.handleStream("project.A.echo", (_s, params, stream) => {
      stream.sendMessage({ hello: params });
      stream.onData((bytes) => stream.write(bytes));
      stream.onEnd(() => stream.end());
    });
    const stream = await browser.openStream("project.A.echo", { x: 1 });
    const messages: unknown[] = [];
    let got = 0;
    let sum = 0;
    stream.onMessage((m) => messages.push(m));
    stream.onData((bytes) => {
      for (const byte of bytes) sum = (sum * 31 + byte) % 1_000_003;
      got += bytes.length;
    });
    const closed = new Promise((resolve) => stream.onClose(resolve));
    const sent = new Uint8Array(3_000_000).map((_, i) => (i * 7) % 251);
    await stream.write(sent.subarray(0, 1_234_567));
    await stream.write(sent.subarray(1_234_567));
    stream.end();
    expect(await closed).toBeUndefined();
    expect(got).toBe(sent.length);
    expect(sum).toBe(sent.reduce((sum, byte) => (sum * 31 + byte) % 1_000_003, 0));
    expect(messages).toEqual([{ hello: { x: 1 } }]);
  });

  test("a reader that does not read holds the writer at the window", async () => {
    const { browser, agent } = triangle();
    let written = 0;
    agent.handleStream("project.A.flood", async (_s, _p, stream) => {
      for (let i = 0; i < 100; i++) {
        await stream.write(new Uint8Array(32 * 1024));
        written += 32 * 1024;
      }
      stream.end();
    });
    const stream = await browser.openStream("project.A.flood");
    let release = () => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    let got = 0;
    stream.onData((bytes) => {
      got += bytes.length;
      return gate;
    });
    await turn();
    expect(written).toBeLessThanOrEqual(STREAM_WINDOW_BYTES);
    expect(got).toBe(STREAM_WINDOW_BYTES);
    release();
    await new Promise<void>((resolve) => stream.onEnd(resolve));
    expect(got).toBe(100 * 32 * 1024);
  });

  test("a refused stream rejects; a broken one tells; withdrawn rights end it", async () => {
    const { browser, agent, caller } = triangle();
    agent.handleStream("project.A.refuse", () => {
      throw new CodedError({ code: "terminal.unknown", title: "No such terminal" });
    });
    agent.handleStream("project.A.open", () => {});
    agent.handleStream("project.A.break", (_s, _p, stream) => {
      stream.accept();
      throw new CodedError({ code: "exec.broke", title: "Broke" });
    });
    expect(await codeOf(browser.openStream("project.A.refuse"))).toBe("terminal.unknown");
    const broken = await browser.openStream("project.A.break");
    const error = await new Promise<CodedError | undefined>((resolve) => broken.onClose(resolve));
    expect(error?.code).toBe("exec.broke");
    const stream = await browser.openStream("project.A.open");
    const closed = new Promise<CodedError | undefined>((resolve) => stream.onClose(resolve));
    expect(caller.running.size).toBe(1);
    caller.update({ allow: [] });
    expect((await closed)?.code).toBe("conat.forbidden");
    expect(caller.running.size).toBe(0);
    expect(await codeOf(stream.write(new Uint8Array(1)))).toBe("conat.forbidden");
  });

  test("malformed content in a relayed stream breaks that stream alone, from either side", async () => {
    const { router, browser, agent, agentEnd } = triangle();
    agent.handle("project.A.add", (_, data) => data);
    agent.handleStream("project.A.open", () => {});
    const [evil, end] = memoryTransports();
    router.attach(new Peer(end, { heartbeat: false }), { allow: ["project.A.>"], serve: [], data: "eve" });
    evil.start({ frame() {}, closed() {} });
    const noJson = new Uint8Array([0xff, 0x7b]);
    for (const [channel, type] of [
      [1, FRAME.MESSAGE],
      [2, FRAME.RESET],
      [3, FRAME.CREDIT],
    ] as const) {
      evil.send(encodeFrame(FRAME.OPEN, channel, encodeAddressed("project.A.open", encodeJson({}))));
      evil.send(encodeFrame(type, channel, noJson));
    }
    await turn();
    expect(await browser.request("project.A.add", 5)).toBe(5);
    expect(agentEnd.closed).toBe(false);

    // A project's agent that answers with garbage must not cost the browser its socket to the host.
    const [liar, liarEnd] = memoryTransports();
    router.attach(new Peer(liarEnd, { heartbeat: false }), {
      allow: [],
      serve: ["project.A.lie.>"],
      data: "liar",
    });
    liar.start({
      frame({ type, channel }) {
        if (type === FRAME.REQUEST) liar.send(encodeFrame(FRAME.REPLY, channel + 0x8000_0000, noJson));
        if (type !== FRAME.OPEN) return;
        liar.send(encodeFrame(FRAME.ACCEPT, channel + 0x8000_0000));
        liar.send(encodeFrame(FRAME.MESSAGE, channel + 0x8000_0000, noJson));
      },
      closed() {},
    });
    expect(await codeOf(browser.request("project.A.lie.ask"))).toBe("conat.malformed");
    const stream = await browser.openStream("project.A.lie.open");
    const error = await new Promise<CodedError | undefined>((resolve) => stream.onClose(resolve));
    expect(error?.code).toBe("conat.malformed");
    const seen: unknown[] = [];
    browser.subscribe("project.A.>", (_, data) => {
      seen.push(data);
      throw new Error("the subscriber's schema does not fit");
    });
    await turn();
    agentEnd.publish("project.A.changed", 1);
    liar.send(encodeFrame(FRAME.PUBLISH, 0, encodeAddressed("project.A.lie.news", noJson)));
    await turn();
    expect(seen).toEqual([1]);
    expect(browser.closed).toBe(false);
  });

  test("a hostile peer is closed, and harms nobody else", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.tuple(
            fc.constantFrom(...(Object.values(FRAME) as FrameType[])),
            fc.constantFrom(0, 1, 2, 0x8000_0001, 0xffff_ffff),
            fc.oneof(
              fc.uint8Array({ maxLength: 40 }),
              fc.constant(encodeAddressed("project.A.open", encodeJson({}))),
              fc.constant(encodeAddressed("project.A.add", encodeJson([1]))),
              fc.constant(encodeU32(0xffff_ffff)),
              fc.constant(encodeJson({ type: "resize" })),
              fc.constant(new Uint8Array(300_000)),
            ),
          ),
          { maxLength: 12 },
        ),
        async (frames) => {
          const { router, browser, agent } = triangle();
          agent.handle("project.A.add", (_, data) => data);
          agent.handleStream("project.A.open", (_s, _p, stream) => {
            stream.onData((bytes) => stream.write(bytes).catch(() => {}));
          });
          const [evil, end] = memoryTransports();
          router.attach(new Peer(end, { heartbeat: false }), {
            allow: ["project.A.>"],
            serve: ["project.E.>"],
            data: "eve",
          });
          evil.start({ frame() {}, closed() {} });
          for (const [type, channel, payload] of frames) evil.send(encodeFrame(type, channel, payload));
          await Promise.resolve();
          expect(await browser.request("project.A.add", 5)).toBe(5);
        },
      ),
      { numRuns: 400 },
    );
  });
});
