/** What this machine is. */
import { readFileSync } from "node:fs";
import { cpus, hostname, release, totalmem } from "node:os";
import type { MachineFacts } from "../../contract/api.ts";

export function machineFacts(): MachineFacts {
  let os = "Linux";
  try {
    os = /^PRETTY_NAME="?([^"\n]+)"?$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? os;
  } catch {
    // a distribution without os-release
  }
  return {
    hostname: hostname(),
    os,
    kernel: release(),
    arch: process.arch === "arm64" ? "arm64" : "x64",
    cpus: cpus().length,
    memory_bytes: totalmem(),
  };
}
