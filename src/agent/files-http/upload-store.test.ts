import { afterEach, beforeEach, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Checksum, UploadStore } from "./upload-store.ts";

const MIB = 2 ** 20;
let home: string;
let store: UploadStore;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "upload-store-"));
  store = new UploadStore(join(home, "uploads"));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const create = (length: number) =>
  store.create({ path: join(home, "file.bin"), length, existing: "refuse", modified: null });
const checksum = (bytes: Uint8Array): Checksum => ({
  algorithm: "sha256",
  digest: createHash("sha256").update(bytes).digest(),
});
async function* pieces(bytes: Uint8Array, breaksAt = Number.POSITIVE_INFINITY) {
  for (let at = 0; at < bytes.length; at += 100_000) {
    if (at >= breaksAt) throw Object.assign(new Error("aborted"), { code: "ECONNRESET" });
    yield bytes.subarray(at, at + 100_000);
  }
}
/** What a restart of the agent goes by. */
const synced = (id: string) =>
  (JSON.parse(readFileSync(join(home, "uploads", id, "info.json"), "utf8")) as { synced: number }).synced;

test("parts larger than what is synced at once, one of them spoiled: what is on disk is never ahead of what counts", async () => {
  const bytes = randomBytes(110 * MIB);
  const [first, second, third] = [0, 50, 90].map((from, n) =>
    bytes.subarray(from * MIB, ([50, 90, 110][n] as number) * MIB),
  ) as [Buffer, Buffer, Buffer];
  const upload = await create(bytes.length);
  await store.append(upload, pieces(first), checksum(first));
  expect(upload.offset).toBe(50 * MIB);
  const spoiled = Buffer.from(second);
  spoiled.fill(0, 30 * MIB, 31 * MIB);
  const refused = await store.append(upload, pieces(spoiled), checksum(second)).catch((error) => error);
  expect(refused).toMatchObject({ code: "upload.checksum-mismatch" });
  expect(upload.offset).toBe(50 * MIB);
  expect(synced(upload.upload_id)).toBeLessThanOrEqual(50 * MIB);
  await store.append(upload, pieces(second), checksum(second));
  await store.append(upload, pieces(third), checksum(third));
  await store.finish(upload);
  expect(readFileSync(join(home, "file.bin")).equals(bytes)).toBe(true);
});

test("after the agent was killed it goes on from what is certain", async () => {
  const bytes = randomBytes(80 * MIB);
  const upload = await create(bytes.length);
  const first = bytes.subarray(0, 60 * MIB);
  await store.append(upload, pieces(first), checksum(first));
  for (let tries = 0; synced(upload.upload_id) === 0 && tries < 1000; tries++) await Bun.sleep(10);
  store = new UploadStore(join(home, "uploads"));
  const again = await store.get(upload.upload_id);
  expect(again.offset).toBeGreaterThan(0);
  expect(again.offset).toBeLessThanOrEqual(60 * MIB);
  const rest = bytes.subarray(again.offset);
  await store.append(again, pieces(rest), checksum(rest));
  await store.finish(again);
  expect(readFileSync(join(home, "file.bin")).equals(bytes)).toBe(true);
});

test("a sender without a hash that breaks off has what arrived; one with a hash has nothing of that part", async () => {
  const bytes = randomBytes(4 * MIB);
  const upload = await create(bytes.length);
  await store.append(upload, pieces(bytes, 2 * MIB), checksum(bytes)).catch(() => {});
  expect(upload.offset).toBe(0);
  await store.append(upload, pieces(bytes, 2 * MIB), undefined).catch(() => {});
  expect(upload.offset).toBe(2_100_000);
  const rest = bytes.subarray(upload.offset);
  await store.append(upload, pieces(rest), checksum(rest));
  await store.finish(upload);
  expect(readFileSync(join(home, "file.bin")).equals(bytes)).toBe(true);
});
