/** What goes on in terminals: who looks, and what runs in the foreground beside the shells. */
import { readFileSync } from "node:fs";

function text(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // It ended meanwhile.
    return "";
  }
}

/** The program in the foreground of the terminal whose shell is `pid`; undefined while the shell itself is. */
export function foreground(pid: number): string | undefined {
  const stat = text(`/proc/${pid}/stat`);
  // After the name, which may hold anything: state ppid pgrp session tty tpgid.
  const [, , pgrp, , , tpgid] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (pgrp === undefined || tpgid === undefined || tpgid === "-1" || tpgid === pgrp) return undefined;
  return text(`/proc/${tpgid}/comm`).trim().slice(0, 50) || undefined;
}
