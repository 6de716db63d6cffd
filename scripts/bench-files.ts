/**
 * A large file up and down through the hub's door, an OpenSSH tunnel, host and agent, beside bare scp through the same
 * machine's sshd: alternately, in one run. Prints JSON: bytes, and the seconds of each round.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { filesUrl } from "../src/contract/files-http.ts";
import { uploadFile } from "../src/contract/upload.ts";
import { cleanEnv, execOk } from "../src/core/exec.ts";
import { portOwner } from "../src/core/ports.ts";
import { loadOrCreateKeyPair } from "../src/core/ssh-keys.ts";
import { findProgram, sshdVersion } from "../src/hub/sshd/programs.ts";
import { renderSshdConfig } from "../src/hub/sshd/render.ts";
import { openChain } from "../test/fixtures/chain-lab.ts";
import { watchMemory } from "../test/fixtures/memory.ts";

const BYTES = 300 * 2 ** 20;
const ROUNDS = 3;
const SSHD_PORT = 27_411;

// In a process of its own, as a client is.
const [clientOrigin, clientProject, clientFile] = process.argv.slice(2);
if (clientOrigin !== undefined) {
  const file = await open(clientFile ?? "", "r");
  await uploadFile(
    (path, init) => fetch(clientOrigin + path, init),
    { project_id: clientProject ?? "", path: "bench.bin", existing: "replace" },
    {
      size: BYTES,
      async read(offset, length) {
        const { bytesRead, buffer } = await file.read(new Uint8Array(length), 0, length, offset);
        return buffer.subarray(0, bytesRead) as Uint8Array<ArrayBuffer>;
      },
    },
  );
  process.exit(0);
}

const dir = mkdtempSync(join(tmpdir(), "bench-files-"));
const source = join(dir, "source");
await execOk(["sh", "-c", `head -c ${BYTES} /dev/urandom > ${source}`], { timeout: 120_000 });

const hostKey = loadOrCreateKeyPair(join(dir, "host_key"), "bench");
const key = loadOrCreateKeyPair(join(dir, "key"), "bench");
writeFileSync(join(dir, "authorized_keys"), `${key.publicLine}\n`);
writeFileSync(join(dir, "known_hosts"), `bench ${hostKey.publicLine}\n`);
for (const name of ["host_key", "key", "authorized_keys"]) chmodSync(join(dir, name), 0o600);
const sshd = findProgram("sshd");
const config = join(dir, "sshd_config");
writeFileSync(
  config,
  renderSshdConfig({
    port: SSHD_PORT,
    hostKey: join(dir, "host_key"),
    authorizedKeys: join(dir, "authorized_keys"),
    version: await sshdVersion(sshd),
  }).replace("Subsystem sftp /bin/false", `Subsystem sftp ${findProgram("sftp-server")}`),
);
if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
const server = Bun.spawn([sshd, "-D", "-e", "-f", config], { cwd: "/", env: cleanEnv(), stderr: "ignore" });
const chain = await openChain({ tunnel: true });
const user = (await execOk(["id", "-un"])).trim();
const scp = (from: string, to: string) =>
  execOk(
    [
      "scp",
      "-q",
      "-F",
      "none",
      "-P",
      String(SSHD_PORT),
      "-i",
      join(dir, "key"),
      ...[`UserKnownHostsFile=${join(dir, "known_hosts")}`, "HostKeyAlias=bench", "BatchMode=yes"].flatMap(
        (one) => ["-o", one],
      ),
      from,
      to,
    ],
    { timeout: 300_000 },
  );

async function timed(what: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await what();
  return (performance.now() - began) / 1000;
}

const took: Record<"up" | "down" | "scp_up" | "scp_down", number[]> = {
  up: [],
  down: [],
  scp_up: [],
  scp_down: [],
};
const origin = `http://localhost:${chain.ports.loopbackUi}`;
try {
  for (let tries = 0; portOwner(SSHD_PORT) === null && tries < 200; tries++) await Bun.sleep(25);
  const { peak } = await watchMemory([process.pid, chain.agent.pid], async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const remote = join(dir, "remote");
      took.scp_up.push(await timed(() => scp(source, `${user}@127.0.0.1:${remote}`)));
      took.scp_down.push(await timed(() => scp(`${user}@127.0.0.1:${remote}`, join(dir, "back"))));
      took.up.push(
        await timed(() => execOk([process.execPath, import.meta.path, origin, chain.project_id, source])),
      );
      const url = origin + filesUrl(chain.project_id, "download", "bench.bin");
      took.down.push(
        await timed(() => execOk(["curl", "-sSf", "-o", join(dir, "back"), url], { timeout: 300_000 })),
      );
    }
  });
  console.log(JSON.stringify({ bytes: BYTES, ...took, grown_bytes: peak }));
} finally {
  await chain.close();
  server.kill();
  await server.exited;
  rmSync(dir, { recursive: true, force: true });
}
process.exit(0);
