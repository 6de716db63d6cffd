/** What a btrfs superblock says that a kernel must know before it can mount it (fs/btrfs/accessors.h, struct btrfs_super_block). */
import { closeSync, existsSync, openSync, readSync } from "node:fs";

const SUPERBLOCK_AT = 65_536;
const MAGIC_AT = 64;
const MAGIC = "_BHRfS_M";
const INCOMPAT_AT = 188;
/** BTRFS_FEATURE_INCOMPAT_SIMPLE_QUOTA, Linux 6.7. */
const SIMPLE_QUOTA = 0x10000n;
const KNOWN_HERE = "/sys/fs/btrfs/features/simple_quota";

/** `first`: the superblock's first 196 bytes. Pure. */
export function hasSimpleQuotaFlag(first: Buffer): boolean {
  if (first.length < INCOMPAT_AT + 8 || first.toString("latin1", MAGIC_AT, MAGIC_AT + 8) !== MAGIC)
    return false;
  return (first.readBigUInt64LE(INCOMPAT_AT) & SIMPLE_QUOTA) !== 0n;
}

/** Whether a device or image holds a file system that was made with simple quotas. */
export function wasMadeWithSimpleQuotas(path: string): boolean {
  const fd = openSync(path, "r");
  try {
    const first = Buffer.alloc(INCOMPAT_AT + 8);
    readSync(fd, first, 0, first.length, SUPERBLOCK_AT);
    return hasSimpleQuotaFlag(first);
  } finally {
    closeSync(fd);
  }
}

/** Asked when a mount failed: btrfs is loaded then, and lists what it knows. */
export const kernelKnowsSimpleQuotas = (): boolean => existsSync(KNOWN_HERE);
