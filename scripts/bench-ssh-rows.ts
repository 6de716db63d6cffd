/** The figures of bench-ssh.ts as rows: logins and rsync as times, bulk as speeds. */
import { resolve } from "node:path";
import { median } from "./bench-load.ts";

type Row = (what: string, ours: string, peer?: string, ratio?: string) => void;
type Kind = "login" | "up" | "down" | "rsync_up" | "rsync_down";
interface Measured {
  mib: number;
  files: number;
  ours: Record<Kind, number[]>;
  peer: Record<Kind, number[]>;
}

export async function ssh(row: Row, json: Record<string, unknown>): Promise<void> {
  const proc = Bun.spawn([process.execPath, resolve(import.meta.dir, "bench-ssh.ts")], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const said = (await new Response(proc.stdout).text()).trim().split("\n").pop() ?? "";
  const measured = JSON.parse(said) as Measured;
  const { ours, peer, mib, files } = measured;
  for (const [kind, what] of [
    ["login", "SSH, connect and run, ms (peer: the system's sshd)"],
    ["rsync_up", `SSH, ${files} small files up by rsync, ms`],
    ["rsync_down", `SSH, ${files} small files down by rsync, ms`],
  ] as const) {
    const [a, b] = [median(ours[kind]), median(peer[kind])];
    row(what, (a * 1000).toFixed(0), (b * 1000).toFixed(0), `${(a / b).toFixed(2)}×`);
  }
  for (const [kind, what] of [
    ["up", "SSH, bulk up, aes128-gcm, MiB/s"],
    ["down", "SSH, bulk down, aes128-gcm, MiB/s"],
  ] as const) {
    const [a, b] = [mib / median(ours[kind]), mib / median(peer[kind])];
    row(what, a.toFixed(0), b.toFixed(0), `${(a / b).toFixed(2)}×`);
  }
  json.ssh = measured;
}
