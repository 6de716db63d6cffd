/** Ports that programs of the project listen on, from /proc: ss and netstat need not be installed. */
import { readdir, readFile, readlink } from "node:fs/promises";
import type { ListeningPort } from "../contract/project-services.ts";

const LISTEN = "0A";
const MAX_PROCESSES = 5000;

/** `0100007F` (IPv4) and 32 hex digits (IPv6): words in the machine's byte order. */
export function parseAddress(hex: string): string {
  const bytes: number[] = [];
  for (let word = 0; word < hex.length; word += 8) {
    for (let at = 6; at >= 0; at -= 2) bytes.push(Number.parseInt(hex.slice(word + at, word + at + 2), 16));
  }
  if (bytes.length === 4) return bytes.join(".");
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2)
    groups.push((((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)).toString(16));
  if (groups.slice(0, 5).every((group) => group === "0") && groups[5] === "ffff")
    return bytes.slice(12).join(".");
  const text = groups.join(":");
  // The longest run of zeros, as RFC 5952 writes it.
  let longest = "";
  for (const run of text.match(/(?:^|:)0(?::0)+(?::|$)/g) ?? [])
    if (run.length > longest.length) longest = run;
  return longest === "" ? text : text.replace(longest, "::");
}

/** The listening lines of /proc/net/tcp or tcp6. */
export function parseListeners(table: string): { port: number; address: string; inode: string }[] {
  const found: { port: number; address: string; inode: string }[] = [];
  for (const line of table.split("\n").slice(1)) {
    const fields = line.trim().split(/\s+/);
    const [address, port] = (fields[1] ?? "").split(":");
    const inode = fields[9];
    if (fields[3] !== LISTEN || address === undefined || port === undefined || inode === undefined) continue;
    found.push({ address: parseAddress(address), port: Number.parseInt(port, 16), inode });
  }
  return found;
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch {
    // No IPv6, or a process that ended meanwhile.
    return "";
  }
}

async function namesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch {
    // Another user's process, or one that ended meanwhile.
    return [];
  }
}

/** Socket inode → process, for the inodes wanted. */
async function owners(wanted: Set<string>): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const pids = (await namesIn("/proc")).filter((name) => /^[0-9]+$/.test(name)).slice(0, MAX_PROCESSES);
  for (const pid of pids) {
    if (found.size === wanted.size) break;
    for (const fd of await namesIn(`/proc/${pid}/fd`)) {
      const link = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => "");
      const inode = /^socket:\[([0-9]+)\]$/.exec(link)?.[1];
      // The first owner is the parent, which listens on behalf of its workers.
      if (inode !== undefined && wanted.has(inode) && !found.has(inode)) found.set(inode, Number(pid));
    }
  }
  return found;
}

/** `marked`: of processes whose environment holds this alone, where the whole machine is seen (runtime `process`). */
export async function listeningPorts(marked?: string): Promise<ListeningPort[]> {
  const tables = await Promise.all([textOf("/proc/self/net/tcp"), textOf("/proc/self/net/tcp6")]);
  const listeners = tables.flatMap(parseListeners);
  const byInode = await owners(new Set(listeners.map(({ inode }) => inode)));
  const ports: ListeningPort[] = [];
  for (const { port, address, inode } of listeners) {
    const pid = byInode.get(inode) ?? null;
    if (marked !== undefined) {
      const own = pid !== null && (await textOf(`/proc/${pid}/environ`)).split("\0").includes(marked);
      if (!own) continue;
    }
    const line = pid === null ? "" : await textOf(`/proc/${pid}/cmdline`);
    ports.push({ port, address, pid, command: line.split("\0").join(" ").trim().slice(0, 300) });
  }
  return ports.sort((a, b) => a.port - b.port || a.address.localeCompare(b.address));
}
