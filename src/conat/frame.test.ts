import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { CodedError } from "../core/errors.ts";
import {
  decodeAddressed,
  decodeFrame,
  decodeJson,
  encodeAddressed,
  encodeFrame,
  encodeJson,
  FRAME,
  type Frame,
  FrameDecoder,
  type FrameType,
  MAX_PAYLOAD_BYTES,
} from "./frame.ts";

const frames = fc.array(
  fc.record({
    type: fc.constantFrom(...(Object.values(FRAME) as FrameType[])),
    channel: fc.nat({ max: 0xffff_ffff }),
    payload: fc.uint8Array({ maxLength: 300 }),
  }),
  { maxLength: 10 },
);

describe("frames", () => {
  test("any frames survive any cutting of the byte stream", () => {
    fc.assert(
      fc.property(frames, fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (sent, cuts) => {
        const bytes = Buffer.concat(sent.map((f) => encodeFrame(f.type, f.channel, f.payload)));
        const got: Frame[] = [];
        const decoder = new FrameDecoder();
        for (let at = 0, i = 0; at < bytes.length; i++) {
          const size = cuts[i % cuts.length]!;
          decoder.push(new Uint8Array(bytes.subarray(at, at + size)), (f) => got.push(f));
          at += size;
        }
        expect(got.map((f) => ({ ...f, payload: [...f.payload] }))).toEqual(
          sent.map((f) => ({ ...f, payload: [...f.payload] })),
        );
      }),
    );
  });

  test("random bytes give frames or conat.malformed, nothing else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        for (const run of [
          () => decodeFrame(bytes),
          () => new FrameDecoder().push(bytes, () => {}),
          () => decodeAddressed(bytes),
          () => decodeJson(bytes),
        ]) {
          try {
            run();
          } catch (error) {
            expect(error).toBeInstanceOf(CodedError);
            expect((error as CodedError).code).toBe("conat.malformed");
          }
        }
      }),
    );
  });

  test("a payload over the limit is refused on both sides", () => {
    expect(() => encodeFrame(FRAME.DATA, 1, new Uint8Array(MAX_PAYLOAD_BYTES + 1))).toThrow(
      "larger than the limit",
    );
    const header = new Uint8Array([FRAME.DATA, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]);
    expect(() => new FrameDecoder().push(header, () => {})).toThrow("malformed");
  });

  test("subject and JSON stay apart", () => {
    const { subject, json } = decodeAddressed(encodeAddressed("project.1.exec", encodeJson({ a: "é" })));
    expect([subject, decodeJson(json)]).toEqual(["project.1.exec", { a: "é" }]);
  });
});
