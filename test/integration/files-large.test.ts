/**
 * Large files both ways through the hub's door, an OpenSSH tunnel, the host and the agent, with memory that does not grow
 * with them. 200 MB; 10 GiB with COCALC_TEST_LONG=1.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { archiveUrl, filesUrl } from "../../src/contract/files-http.ts";
import { execOk } from "../../src/core/exec.ts";
import { type ChainLab, openChain } from "../fixtures/chain-lab.ts";
import { watchMemory } from "../fixtures/memory.ts";
import { uploadApart } from "../fixtures/upload-client.ts";

const MB = 1_000_000;
const LONG = process.env.COCALC_TEST_LONG === "1";
const SIZE = LONG ? 10 * 2 ** 30 : 200 * MB;
/** What a part may grow by while a file goes through it, however large: buffers of sockets, and what is not collected yet. */
const ALLOWED = 120 * 2 ** 20;
const MINUTES = 60_000;

let chain: ChainLab;
let dir: string;
let source: string;
let sum: string;

/** Hub, host and agent. */
const processes = () => [process.pid, chain.host_pid, chain.agent.pid];

/** Not in this process, whose memory is looked at. */
async function sha(path: string): Promise<string> {
  return (
    (await execOk(["openssl", "dgst", "-sha256", "-r", path], { timeout: 10 * MINUTES })).split(" ")[0] ?? ""
  );
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "cc-large-"));
  const { bavail, bsize } = statfsSync(dir);
  if (bavail * bsize < SIZE * 4) throw new Error(`needs ${SIZE * 4} bytes free in ${dir}`);
  source = join(dir, "source");
  // Not from random(4): it would take longer than the way through all of it.
  await execOk(
    [
      "sh",
      "-c",
      `openssl enc -aes-128-ctr -pass pass:x -nosalt -in /dev/zero 2>/dev/null | head -c ${SIZE} > ${source}`,
    ],
    { timeout: 5 * MINUTES },
  );
  sum = await sha(source);
  chain = await openChain({ tunnel: true, apart: true });
}, 10 * MINUTES);
afterAll(async () => {
  await chain?.close();
  rmSync(dir, { recursive: true, force: true });
});

test(
  "up: in parts with hashes, each part of the way in bounded memory",
  async () => {
    const upload = (file: string, path: string) =>
      uploadApart(`http://localhost:${chain.ports.loopbackUi}`, chain.project_id, file, path, 30 * MINUTES);
    // A heap grows to what a part needs, once: what must not grow is what comes after, with the size of a file.
    const first = join(dir, "first");
    await execOk(["sh", "-c", `head -c ${100 * 2 ** 20} ${source} > ${first}`]);
    await upload(first, "warm/first.bin");
    const { peak } = await watchMemory(processes(), () => upload(source, "in/large.bin"));
    expect(await sha(join(chain.agent.home, "in/large.bin"))).toBe(sum);
    for (const grown of peak) expect(grown).toBeLessThan(ALLOWED);
  },
  30 * MINUTES,
);

test(
  "down, also to a reader slower than all else, and as an archive",
  async () => {
    const url = (path: string) => `http://localhost:${chain.ports.loopbackUi}${path}`;
    const out = join(dir, "out");
    const { peak } = await watchMemory(processes(), async () => {
      await execOk(["curl", "-sSf", "-o", out, url(filesUrl(chain.project_id, "download", "in/large.bin"))], {
        timeout: 20 * MINUTES,
      });
      expect(await sha(out)).toBe(sum);
      // 20 MB/s: what is read from the disk must wait for it, not pile up. A part of it is enough to see.
      await execOk(
        [
          "sh",
          "-c",
          `curl -sS --limit-rate 20M --max-time 6 -o /dev/null '${url(filesUrl(chain.project_id, "download", "in/large.bin"))}'; [ $? = 28 ] || [ $? = 0 ]`,
        ],
        { timeout: MINUTES },
      );
      await execOk(["curl", "-sSf", "-o", `${out}.zip`, url(archiveUrl(chain.project_id, ["in"], "zip"))], {
        timeout: 20 * MINUTES,
      });
    });
    for (const grown of peak) expect(grown).toBeLessThan(ALLOWED);
    const listing = await execOk([
      "python3",
      "-c",
      `import zipfile;print(zipfile.ZipFile("${out}.zip").infolist()[1].file_size)`,
    ]);
    expect(Number(listing)).toBe(SIZE);
    rmSync(`${out}.zip`);
    rmSync(out);
  },
  30 * MINUTES,
);
