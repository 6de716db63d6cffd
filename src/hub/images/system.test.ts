import { expect, test } from "bun:test";
import type { Host } from "../../contract/api.ts";
import type { CodedError } from "../../core/errors.ts";
import { place } from "../projects/service.ts";
import { assertOffers, assertSameSystem } from "./system.ts";

const ONE = "1".repeat(64);
const TWO = "2".repeat(64);
const why = { code: "image.system-not-merged", title: "Not merged", why: "It is old", fix: "Merge it" };

function host(name: string, memory: number, digest: string | null): Host {
  const system_image = { digest, problem: digest === null ? why : null };
  return {
    host_id: name,
    name,
    state: "ready",
    desired_state: "ready",
    draining: false,
    report: { runtime: { kind: "podman" }, memory: { available_bytes: memory }, system_image },
  } as unknown as Host;
}

function refusal(work: () => unknown): CodedError["details"] | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return (error as CodedError).details;
  }
}

test("a project on the image system goes where it is offered, and the refusal says what the host lacks", () => {
  const [large, small] = [host("large", 2, null), host("small", 1, ONE)];
  expect(place([large, small], false).name).toBe("large");
  expect(place([large, small], false, "system").name).toBe("small");
  expect(refusal(() => place([large], false, "system"))?.why).toContain("large: without the image system");
  expect(refusal(() => assertOffers("system", large))).toMatchObject({
    code: "image.system-not-offered",
    why: "Not merged. It is old",
    fix: "Merge it",
  });
  expect(refusal(() => assertOffers("base", large))).toBeUndefined();
  // A host of an older version tells nothing of it.
  const old = { ...small, report: { ...small.report, system_image: undefined } } as Host;
  expect(refusal(() => assertOffers("system", old))?.code).toBe("image.system-not-offered");
});

test("to a host with other programs a move asks first", () => {
  const ask = (image: string, image_digest: string | null, to: Host) =>
    refusal(() => assertSameSystem({ image, image_digest }, to, "again"));
  expect(ask("system", ONE, host("same", 1, ONE))).toBeUndefined();
  expect(ask("system", ONE, host("other", 1, TWO))).toMatchObject({
    code: "move.other-system",
    command: "again",
    why: expect.stringContaining(`${ONE.slice(0, 12)} there, ${TWO.slice(0, 12)} on other`),
  });
  // It never ran, so nothing in it stands on anything yet.
  expect(ask("system", null, host("other", 1, TWO))).toBeUndefined();
  expect(ask("base", ONE, host("other", 1, TWO))).toBeUndefined();
  expect(ask("system", ONE, host("none", 1, null))?.code).toBe("image.system-not-offered");
});
