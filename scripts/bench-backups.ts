/**
 * Backups beside bare rustic: the same tree, the same jailed SFTP through a real sshd, repositories of their own. And
 * what the hub's sweep of a large repository costs.
 */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Backup } from "../src/contract/api-backups.ts";
import { renderKnownHosts, renderProfile, renderSshConfig } from "../src/contract/rustic-profile.ts";
import { exec, execOk } from "../src/core/exec.ts";
import { randomToken } from "../src/core/ids.ts";
import { encodePrivateKey, generateKeyPair } from "../src/core/ssh-keys.ts";
import shim from "../src/host/backups/job/ssh-shim.sh" with { type: "text" };
import { jailCommand, prepareJail } from "../src/hub/backups/jail.ts";
import { sweep } from "../src/hub/backups/sweep.ts";
import { sshdFiles } from "../src/hub/sshd/files.ts";
import { renderAuthorizedKeys } from "../src/hub/sshd/render.ts";
import { openBackupLab } from "../test/fixtures/backup-lab.ts";
import { startRealSshd } from "../test/fixtures/real-sshd.ts";
import { RUSTIC } from "../test/fixtures/rustic.ts";
import { median } from "./bench-load.ts";

type Row = (what: string, ours: string, peer?: string, ratio?: string) => void;
const FILES = 20_000;
const FILE_BYTES = 43_500;
const FOLDERS = 200;
/** Even, so that either begins as often. */
const ROUNDS = 4;
const FIRSTS = 2;
const HOSTS = 200;
const LIMIT = 600_000;

/** Two thirds of each file's bytes are like text, one third like noise. */
function makeTree(home: string): void {
  const text = Buffer.from("the quick brown fox jumps over the lazy dog, 0123456789\n".repeat(1_000));
  for (let n = 0; n < FILES; n++) {
    const dir = join(home, `d${n % FOLDERS}`);
    mkdirSync(dir, { recursive: true });
    const noise = crypto.getRandomValues(new Uint8Array(Math.floor(FILE_BYTES / 3)));
    const head = text.subarray(n % 1_000, (n % 1_000) + Math.floor((FILE_BYTES * 2) / 3));
    writeFileSync(join(dir, `f${n}`), Buffer.concat([noise, head]));
  }
}

interface Took {
  ours: number;
  bare: number;
  ratio: number;
}

const seconds = async (work: () => Promise<unknown>): Promise<number> => {
  await exec(["sync"]);
  try {
    writeFileSync("/proc/sys/vm/drop_caches", "3");
  } catch {
    // Not root's machine: then both sides are warm.
  }
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1_000;
};

/**
 * Both in each round; who begins takes turns, since the second finds the machine as the first left it. The ratio is that
 * of the rounds, in the middle: what else the machine does changes from one to the next.
 */
async function inTurns(
  rounds: number,
  run: { ours: () => Promise<unknown>; bare: (round: number) => Promise<unknown> },
  before: (round: number) => Promise<void> = async () => {},
): Promise<Took> {
  const took: { ours: number[]; bare: number[] } = { ours: [], bare: [] };
  for (let round = 0; round < rounds; round++) {
    await before(round);
    for (const who of round % 2 === 0 ? (["bare", "ours"] as const) : (["ours", "bare"] as const))
      took[who].push(await seconds(() => run[who](round)));
  }
  const ratios = took.ours.map((one, round) => one / (took.bare[round] ?? Number.NaN));
  return { ours: median(took.ours), bare: median(took.bare), ratio: median(ratios) };
}

/** rustic alone, as a person would run it over the same jailed SFTP. */
async function bare() {
  const sshd = await startRealSshd();
  const dir = mkdtempSync(join(tmpdir(), "cc-bare-"));
  const repository = join(sshd.paths.dir, "bare-repo");
  mkdirSync(repository, { mode: 0o700 });
  const pair = generateKeyPair();
  const jail = await prepareJail(sshd.paths, sshd.user);
  appendFileSync(
    sshdFiles(sshd.paths).authorizedKeys,
    renderAuthorizedKeys([], [], {} as never, [
      { host_id: sshd.hostId, public_key: pair.publicLine, command: jailCommand(jail, repository) },
    ]),
  );
  const password = join(dir, "password");
  writeFileSync(password, randomToken());
  await execOk([RUSTIC, "-r", repository, "--password-file", password, "--no-cache", "init"], {
    env: { HOME: dir },
  });
  await execOk(["chown", "-R", `${sshd.user}:`, sshd.paths.dir]);
  const access = {
    host: "127.0.0.1",
    port: sshd.port,
    user: sshd.user,
    host_key: readFileSync(join(sshd.dir, "known_hosts"), "utf8").split(" ").slice(1, 3).join(" ").trim(),
    private_key: encodePrivateKey(pair),
  };
  const at = { key: join(dir, "key"), knownHosts: join(dir, "known_hosts") };
  writeFileSync(at.key, access.private_key, { mode: 0o600 });
  writeFileSync(at.knownHosts, renderKnownHosts(access));
  writeFileSync(join(dir, "ssh_config"), renderSshConfig(access, at));
  mkdirSync(join(dir, "bin"));
  writeFileSync(join(dir, "bin/ssh"), shim, { mode: 0o700 });
  for (const [name, retry] of [
    ["write", "off"],
    ["read", "many"],
  ] as const)
    writeFileSync(
      join(dir, `${name}.toml`),
      renderProfile(
        { kind: "sftp", password: "" },
        { log: join(dir, "log"), cache: join(dir, "cache"), password },
        { retry },
      ),
    );
  const rustic = (profile: "write" | "read", args: string[], cwd = "/") =>
    execOk([RUSTIC, "-P", join(dir, profile), ...args], {
      cwd,
      timeout: LIMIT,
      env: {
        PATH: `${join(dir, "bin")}:/usr/bin:/bin`,
        COCALC_SSH_CONFIG: join(dir, "ssh_config"),
        XDG_STATE_HOME: dir,
        HOME: dir,
      },
    });
  return {
    backup: (tree: string) =>
      rustic("write", ["backup", ".", "--host", "bare", "--no-scan", "--json-progress"], tree),
    restore: async (to: string) => {
      mkdirSync(to);
      await rustic("read", ["restore", "latest", to, "--numeric-id", "--sparse", "by-content"]);
    },
    dump: (path: string) => rustic("read", ["dump", `latest:${path}`]),
    async stop() {
      await sshd.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Share of one core that a sweep a minute takes, over a repository of so many files with so many that are new. */
async function sweepShare(): Promise<{ share: number; files: number; arrivals: number }> {
  const location = mkdtempSync(join(tmpdir(), "cc-sweep-"));
  try {
    const known = new Set<string>();
    const hash = (bytes: Uint8Array) => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
    const put = (folder: string, bytes: Uint8Array, seen: boolean) => {
      const id = hash(bytes);
      const name = folder === "data" ? `data/${id.slice(0, 2)}/${id}` : `${folder}/${id}`;
      mkdirSync(join(location, name, ".."), { recursive: true });
      writeFileSync(join(location, name), bytes, { mode: 0o444 });
      utimesSync(join(location, name), 0, 0);
      if (seen) known.add(name);
    };
    for (const folder of ["index", "snapshots", "keys", "data"]) mkdirSync(join(location, folder));
    const some = (size: number) => crypto.getRandomValues(new Uint8Array(size));
    // Forty snapshots kept of each of five projects of each host, and as many packs as an index of that size has.
    for (let n = 0; n < HOSTS * 5 * 10; n++) put("snapshots", some(400), true);
    for (let n = 0; n < 20_000; n++) put("data", some(100), true);
    for (let n = 0; n < 1_000; n++) put("index", some(2_000), true);
    // Five projects of each host once an hour: each leaves a pack of data, one of trees, an index, a snapshot.
    const arrivals = Math.ceil((HOSTS * 5) / 60);
    const used: number[] = [];
    for (let minute = 0; minute < 5; minute++) {
      for (let n = 0; n < arrivals; n++) {
        put("data", some(30_000), false);
        put("data", some(30_000), false);
        put("data", some(2 ** 20), false);
        put("index", some(2_000), false);
        put("snapshots", some(400), false);
      }
      const before = process.cpuUsage();
      const { seen } = await sweep({ location, quarantine: `${location}.q`, known, now: Date.now() });
      const { user, system } = process.cpuUsage(before);
      used.push((user + system) / 60e6);
      for (const one of seen) known.add(one.name);
    }
    return { share: median(used), files: known.size, arrivals: arrivals * 5 };
  } finally {
    await exec(["rm", "-rf", location]);
  }
}

export async function backups(row: Row, json: Record<string, unknown>): Promise<void> {
  if (process.getuid?.() !== 0 || !existsSync(RUSTIC)) {
    row("backups", "skipped: needs root and dist/rustic (scripts/rustic)");
    return;
  }
  const swept = await sweepShare();
  row(
    `sweep, ${HOSTS} hosts: ${swept.files} files, ${swept.arrivals} new a minute; share of a core`,
    `${(swept.share * 100).toFixed(1)} %`,
  );
  const lab = await openBackupLab();
  const peer = await bare();
  try {
    await lab.hub.json("settings", "set", "backup_every_minutes", "0");
    const project = await lab.project("bench");
    await lab.sh(project, "echo here > marker");
    const found = await execOk(["find", lab.hub.dataDir, "-path", `*${project.project_id}*/home/marker`]);
    const marker = found.split("\n").find((path) => path !== "" && !path.includes("snapshots")) ?? "";
    const home = join(marker, "..");
    await lab.hub.json("project", "stop", project.project_id);
    const tree = join(home, "..");
    // On the file system of the projects, whose compression and quotas either side then pays for.
    const out = mkdtempSync(join(tree, "../bare-"));
    let made: Backup | undefined;
    const ours = async () => {
      const done = await lab.ended(await lab.begin(project), LIMIT);
      made = (await lab.list(project)).find((one) => one.backup_id === done.operation_id);
      if (made?.state !== "proven") throw new Error(`not proven: ${JSON.stringify(made?.problem)}`);
    };
    const bareBackup = () => peer.backup(tree);
    const told = (what: string, { ours, bare, ratio }: Took) => {
      row(what, `${ours.toFixed(2)} s`, `${bare.toFixed(2)} s`, `${ratio.toFixed(2)}×`);
      json[`backups_${what}`] = { ours, peer: bare, ratio };
    };
    const read: number[] = [];
    const first = await inTurns(
      FIRSTS,
      {
        bare: bareBackup,
        async ours() {
          await ours();
          read.push((made?.took_ms ?? 0) / 1_000);
        },
      },
      async () => {
        // Other bytes in each file: nothing of it is in either repository.
        makeTree(home);
        await execOk(["chown", "-R", `--reference=${marker}`, home]);
      },
    );
    const alone = median(read);
    told("first backup, read and walked", { ours: alone, bare: first.bare, ratio: alone / first.bare });
    told("first backup, with the hub's proof", first);
    told("unchanged, with the hub's proof", await inTurns(ROUNDS, { ours, bare: bareBackup }));
    const path = `d7/${readdirSync(join(home, "d7"))[0]}`;
    const oneFile = async () => {
      const url = `/api/projects/${project.project_id}/backups/latest/file?path=${encodeURIComponent(path)}`;
      const answer = await fetch(`http://localhost${url}`, {
        unix: join(lab.hub.dataDir, "launchpad/run/hub.sock"),
      });
      if ((await answer.bytes()).length < FILE_BYTES - 2) throw new Error(`short: ${answer.status}`);
    };
    told("one file", await inTurns(ROUNDS, { ours: oneFile, bare: () => peer.dump(`home/${path}`) }));
    const restored = await inTurns(
      ROUNDS,
      {
        bare: (round) => peer.restore(join(out, String(round))),
        async ours() {
          const ran = await lab.hub.cli("backup", "restore", project.project_id, "latest");
          if (ran.code !== 0) throw new Error(ran.stderr);
        },
      },
      async (round) => {
        await exec(["rm", "-rf", join(out, String(round - 1))]);
      },
    );
    told("full restore, compared and in its place", restored);
  } finally {
    await peer.stop();
    await lab.hub.stop();
  }
}
