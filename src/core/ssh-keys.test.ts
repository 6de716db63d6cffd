import { expect, test } from "bun:test";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execOk } from "./exec.ts";
import {
  decodePrivateKey,
  deriveKeyPair,
  encodePrivateKey,
  fingerprint,
  generateKeyPair,
  normalizePublicLine,
} from "./ssh-keys.ts";

const dir = mkdtempSync(join(tmpdir(), "ssh-keys-"));

test("OpenSSH reads the key file, and its public half and fingerprint are ours", async () => {
  const pair = generateKeyPair();
  const path = join(dir, "key");
  writeFileSync(path, encodePrivateKey(pair, "a comment"), { mode: 0o600 });
  expect((await execOk(["ssh-keygen", "-y", "-f", path])).trim()).toBe(`${pair.publicLine} a comment`);
  expect(await execOk(["ssh-keygen", "-lf", path])).toContain(fingerprint(pair.publicLine));
  expect(decodePrivateKey(encodePrivateKey(pair)).publicLine).toBe(pair.publicLine);
});

test("a key file that ssh-keygen made is read", async () => {
  const path = join(dir, "made");
  await execOk(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "made", "-f", path]);
  const pair = decodePrivateKey(await Bun.file(path).text());
  expect(normalizePublicLine(await Bun.file(`${path}.pub`).text())).toBe(pair.publicLine);
});

test("both sides of a secret derive one key, and purposes stay apart", () => {
  const secret = new Uint8Array(32).fill(7);
  expect(deriveKeyPair(secret, "pairing").publicLine).toBe(deriveKeyPair(secret, "pairing").publicLine);
  expect(deriveKeyPair(secret, "pairing").publicLine).not.toBe(deriveKeyPair(secret, "other").publicLine);
});

test("what is no key is refused with its cause", () => {
  expect(() => normalizePublicLine("ssh-rsa AAAA")).toThrow("cannot be read");
  expect(() => normalizePublicLine('command="x" ssh-ed25519 AAAA')).toThrow("cannot be read");
  expect(() => decodePrivateKey("nothing")).toThrow("cannot be read");
});
