import { expect, test } from "bun:test";
import fc from "fast-check";
import { CodedError } from "../../core/errors.ts";
import { EDIT_FRAME, EditFrameDecoder, encodeEditFrame, MAX_EDIT_FRAME_BYTES } from "./frames.ts";

test("frames come out as they went in, however the stream is cut", () => {
  const payload = fc.uint8Array({ maxLength: 40 });
  fc.assert(
    fc.property(fc.array(payload, { maxLength: 6 }), fc.integer({ min: 1, max: 9 }), (payloads, step) => {
      const bytes = Buffer.concat(payloads.map((one) => encodeEditFrame(EDIT_FRAME.UPDATE, one)));
      const decoder = new EditFrameDecoder();
      const got: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; at += step)
        decoder.push(bytes.subarray(at, at + step), (_, one) => got.push(one));
      return got.length === payloads.length && got.every((one, n) => Buffer.from(one).equals(payloads[n]!));
    }),
  );
});

test("a length beyond all texts and an unknown type are refused at the header", () => {
  const refused = (bytes: number[]) => {
    try {
      new EditFrameDecoder().push(new Uint8Array(bytes), () => {});
    } catch (error) {
      return error instanceof CodedError ? error.code : error;
    }
    return "taken";
  };
  const long = encodeEditFrame(EDIT_FRAME.UPDATE, new Uint8Array(1)).slice(0, 5);
  new DataView(long.buffer).setUint32(0, MAX_EDIT_FRAME_BYTES + 1);
  expect(refused([...long])).toBe("edit.malformed");
  expect(refused([0, 0, 0, 0, 9])).toBe("edit.malformed");
  expect(refused([0, 0, 0, 0])).toBe("taken");
});
