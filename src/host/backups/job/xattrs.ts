/** Extended attributes by raw path: no tool of every distribution prints them, and node has no call for them. */
import { dlopen, FFIType, ptr } from "bun:ffi";

const NAMES_BYTES = 8_192;
const VALUE_BYTES = 2_048;
let library: ReturnType<typeof load> | undefined;

function load() {
  return dlopen("libc.so.6", {
    llistxattr: { args: [FFIType.ptr, FFIType.ptr, FFIType.u64], returns: FFIType.i64 },
    lgetxattr: { args: [FFIType.ptr, FFIType.ptr, FFIType.ptr, FFIType.u64], returns: FFIType.i64 },
  }).symbols;
}

/** Name → value in base64, of the link itself where it is one; a value of more than 2 KiB is left out. */
export function xattrsOf(path: Buffer): Record<string, string> {
  library ??= load();
  const at = Buffer.concat([path, Buffer.alloc(1)]);
  const names = Buffer.alloc(NAMES_BYTES);
  const length = Number(library.llistxattr(ptr(at), ptr(names), NAMES_BYTES));
  if (length <= 0) return {};
  const found: Record<string, string> = {};
  for (const name of names.subarray(0, length).toString("latin1").split("\0")) {
    if (name === "" || name.startsWith("system.")) continue;
    const value = Buffer.alloc(VALUE_BYTES);
    const key = Buffer.from(`${name}\0`, "latin1");
    const size = Number(library.lgetxattr(ptr(at), ptr(key), ptr(value), VALUE_BYTES));
    if (size >= 0) found[name] = value.subarray(0, size).toString("base64");
  }
  return found;
}
