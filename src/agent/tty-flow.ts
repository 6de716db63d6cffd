/**
 * Stops and starts a terminal's output as tcflow(3) does, on the slave side. `Bun.Terminal` has no pause
 * (oven-sh/bun#41410). Writing XOFF instead is too late: Bun sends it only after it has read all there is, and up
 * to 10 MB were seen to come meanwhile; and a program in raw mode, or a user's ^Q, undoes it. This acts at once.
 */
import { dlopen } from "bun:ffi";
import { closeSync, constants, openSync, readlinkSync } from "node:fs";

/** asm-generic/termbits-common.h; the same on x86-64 and arm64. */
const TCXONC = 0x540a;
const TCOOFF = 0;
const TCOON = 1;

let libc: { ioctl: (fd: number, request: number, argument: number) => number } | undefined;

function ioctl(fd: number, argument: number): boolean {
  // Loaded at the first flood: most agents never see one.
  libc ??= dlopen("libc.so.6", { ioctl: { args: ["i32", "u64", "u64"], returns: "i32" } }).symbols;
  return libc.ioctl(fd, TCXONC, argument) === 0;
}

export class TtyFlow {
  #pid: number;
  #fd: number | undefined;

  /** `pid`: a program whose standard input, output or error is the terminal. */
  constructor(pid: number) {
    this.#pid = pid;
  }

  /** False when it cannot be done: the program is gone or has left its terminal, or this is no glibc. */
  stop(): boolean {
    if (this.#fd !== undefined) return true;
    for (const stdio of [0, 1, 2]) {
      if (this.#stopBy(`/proc/${this.#pid}/fd/${stdio}`)) return true;
    }
    return false;
  }

  #stopBy(link: string): boolean {
    let fd: number | undefined;
    try {
      const path = readlinkSync(link);
      if (!/^\/dev\/pts\/[0-9]+$/.test(path)) return false;
      // Never as the agent's own controlling terminal: its hangup would end the agent.
      fd = openSync(path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
      if (ioctl(fd, TCOOFF)) {
        this.#fd = fd;
        return true;
      }
    } catch {
      // Told by the answer.
    }
    if (fd !== undefined) closeSync(fd);
    return false;
  }

  start(): void {
    if (this.#fd === undefined) return;
    ioctl(this.#fd, TCOON);
    // Not kept open: it would hide the end of the terminal from its reader.
    closeSync(this.#fd);
    this.#fd = undefined;
  }
}
