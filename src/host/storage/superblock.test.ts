import { expect, test } from "bun:test";
import { hasSimpleQuotaFlag } from "./superblock.ts";

const superblock = (flags: bigint, magic = "_BHRfS_M") => {
  const bytes = Buffer.alloc(196);
  bytes.write(magic, 64, "latin1");
  bytes.writeBigUInt64LE(flags, 188);
  return bytes;
};

test("the flag of simple quotas, among others and alone", () => {
  expect(hasSimpleQuotaFlag(superblock(0x10000n))).toBe(true);
  expect(hasSimpleQuotaFlag(superblock(0x10361n))).toBe(true);
  expect(hasSimpleQuotaFlag(superblock(0x361n))).toBe(false);
});

test("what is no btrfs has no such flag", () => {
  expect(hasSimpleQuotaFlag(superblock(0x10000n, "somethin"))).toBe(false);
  expect(hasSimpleQuotaFlag(Buffer.alloc(10))).toBe(false);
});
