/**
 * The SSH gateway over a real agent beside the system's own sshd, in turn, with one cipher: connect and run, bulk each
 * way, and many small files by rsync. Prints JSON: the times of each round.
 * Usage: bun scripts/bench-ssh.ts [rounds]
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execOk } from "../src/core/exec.ts";
import { startLabSshd } from "../test/fixtures/lab-sshd.ts";
import { startSshLab } from "../test/fixtures/ssh-lab.ts";

const SSHD_PORT = 27_412;
const ROUNDS = Number(process.argv[2] ?? 5);
const LOGINS = 8;
const MIB = 256;
const FILES = 10_000;

interface Way {
  ssh: string[];
  at: string;
  /** Where its commands begin. */
  home: string;
}
type Figures = Record<"login" | "up" | "down" | "rsync_up" | "rsync_down", number[]>;

const dir = mkdtempSync(join(tmpdir(), "bench-ssh-"));
const lab = await startSshLab();
const sshd = await startLabSshd(dir, SSHD_PORT, { authorized: [lab.keys.account.publicLine] });

const options = (port: number) => [
  ...["ssh", "-F", "none", "-p", String(port), "-i", lab.identity("account"), "-c", "aes128-gcm@openssh.com"],
  ...["IdentitiesOnly=yes", "BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null"]
    .concat("LogLevel=ERROR")
    .flatMap((one) => ["-o", one]),
];

async function timed(argv: string[], stdin?: string): Promise<number> {
  const began = performance.now();
  await execOk(argv, { timeout: 300_000, stdin: stdin ?? "" });
  return (performance.now() - began) / 1000;
}

const sh = (way: Way, command: string, around: (ssh: string) => string) => {
  const ssh = [...way.ssh, way.at.replace(/:$/, ""), `'${command}'`].join(" ");
  return ["sh", "-ec", around(ssh)];
};

async function round(way: Way, figures: Figures, source: string, files: string): Promise<void> {
  const login = [...way.ssh, way.at.replace(/:$/, ""), "true"];
  for (let n = 0; n < LOGINS; n++) figures.login.push(await timed(login));
  figures.up.push(await timed(sh(way, "cat >/dev/null", (ssh) => `${ssh} <${source}`)));
  figures.down.push(await timed(sh(way, `head -c ${MIB}M /dev/zero`, (ssh) => `${ssh} >/dev/null`)));
  const rsync = ["rsync", "-a", "-e", way.ssh.join(" ")];
  const there = join(way.home, "many");
  const back = join(dir, "back");
  rmSync(there, { recursive: true, force: true });
  rmSync(back, { recursive: true, force: true });
  figures.rsync_up.push(await timed([...rsync, `${files}/`, `${way.at}${there}/`]));
  figures.rsync_down.push(await timed([...rsync, `${way.at}${there}/`, `${back}/`]));
}

const none = (): Figures => ({ login: [], up: [], down: [], rsync_up: [], rsync_down: [] });
const told = { ours: none(), peer: none() };
try {
  const source = join(dir, "source");
  await execOk(["sh", "-c", `head -c ${MIB}M /dev/urandom >${source}`], { timeout: 120_000 });
  const files = join(dir, "files");
  for (let n = 0; n < FILES; n++) {
    const folder = join(files, String(n % 100));
    if (n < 100) mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `file-${n}`), `${"content ".repeat(n % 200)}${n}\n`);
  }
  const home = join(dir, "peer");
  mkdirSync(home);
  const ours: Way = { ssh: options(lab.port), at: lab.at(""), home: lab.agent.home };
  const peer: Way = { ssh: options(SSHD_PORT), at: `${sshd.user}@127.0.0.1:`, home };
  // Once for the caches of both.
  await round(ours, none(), source, files);
  await round(peer, none(), source, files);
  for (let n = 0; n < ROUNDS; n++) {
    await round(ours, told.ours, source, files);
    await round(peer, told.peer, source, files);
  }
  console.log(JSON.stringify({ mib: MIB, files: FILES, ...told }));
} finally {
  await sshd.stop();
  await lab.stop();
  rmSync(dir, { recursive: true, force: true });
}
process.exit(0);
