/**
 * A large file up and down through the hub's door, an OpenSSH tunnel, host and agent, beside bare scp through the same
 * machine's sshd: alternately, in one run. Prints JSON: bytes, and the seconds of each round.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { filesUrl } from "../src/contract/files-http.ts";
import { execOk } from "../src/core/exec.ts";
import { loadOrCreateKeyPair } from "../src/core/ssh-keys.ts";
import { openChain } from "../test/fixtures/chain-lab.ts";
import { startLabSshd } from "../test/fixtures/lab-sshd.ts";
import { watchMemory } from "../test/fixtures/memory.ts";
import { uploadApart } from "../test/fixtures/upload-client.ts";

const BYTES = 300 * 2 ** 20;
const ROUNDS = 3;
const SSHD_PORT = 27_411;

const dir = mkdtempSync(join(tmpdir(), "bench-files-"));
const source = join(dir, "source");
await execOk(["sh", "-c", `head -c ${BYTES} /dev/urandom > ${source}`], { timeout: 120_000 });

const key = loadOrCreateKeyPair(join(dir, "key"), "bench");
const peer = await startLabSshd(dir, SSHD_PORT, { authorized: [key.publicLine], sftp: true });
// As in life: hub, host and agent are processes of their own.
const chain = await openChain({ tunnel: true, apart: true });
const scp = (from: string, to: string) =>
  execOk(["scp", "-q", ...peer.options, "-P", String(SSHD_PORT), "-i", join(dir, "key"), from, to], {
    timeout: 300_000,
  });

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
  const { peak } = await watchMemory([process.pid, chain.host_pid, chain.agent.pid], async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const remote = join(dir, "remote");
      took.scp_up.push(await timed(() => scp(source, `${peer.user}@127.0.0.1:${remote}`)));
      took.scp_down.push(await timed(() => scp(`${peer.user}@127.0.0.1:${remote}`, join(dir, "back"))));
      took.up.push(await timed(() => uploadApart(origin, chain.project_id, source, "bench.bin", 300_000)));
      const url = origin + filesUrl(chain.project_id, "download", "bench.bin");
      took.down.push(
        await timed(() => execOk(["curl", "-sSf", "-o", join(dir, "back"), url], { timeout: 300_000 })),
      );
    }
  });
  console.log(JSON.stringify({ bytes: BYTES, ...took, grown_bytes: peak }));
} finally {
  await chain.close();
  await peer.stop();
  rmSync(dir, { recursive: true, force: true });
}
process.exit(0);
