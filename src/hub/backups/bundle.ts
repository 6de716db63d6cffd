/**
 * The hub's own state as one encrypted file: database, keys, certificates. With it and the recovery key, which is on the
 * recovery sheet, a new machine becomes this hub. The key is not the repository's password: hosts know that one, and
 * must not be able to read the hub's secrets, nor to plant a bundle of their own.
 */
import { Database } from "bun:sqlite";
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { CodedError, EX, messageOf } from "../../core/errors.ts";
import { execOk } from "../../core/exec.ts";
import type { HubPaths } from "../../core/paths.ts";
import { deriveSecret } from "../../core/secrets.ts";

const MAGIC = Buffer.from("cocalc-hub-bundle 1\n");
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** Folders of the hub's directory that go along as they are. */
const FOLDERS = ["secrets", "tls"] as const;
const HOST_KEY = "host_ed25519";

export const recoveryKey = (master: Uint8Array): string =>
  deriveSecret(master, "recovery").toString("base64url");

export function encryptBundle(key: string, data: Uint8Array): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", Buffer.from(key, "base64url"), nonce);
  cipher.setAAD(MAGIC);
  return Buffer.concat([MAGIC, nonce, cipher.update(data), cipher.final(), cipher.getAuthTag()]);
}

/** Errors: `recover.no-bundle`, `recover.wrong-key` (another key, or a file that was changed). */
export function decryptBundle(key: string, bundle: Buffer): Buffer {
  if (!bundle.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new CodedError({
      code: "recover.no-bundle",
      title: "That file is no bundle of a hub",
      fix: "Take the one that was downloaded from the Backups page.",
      exit: EX.DATAERR,
    });
  }
  try {
    const nonce = bundle.subarray(MAGIC.length, MAGIC.length + NONCE_BYTES);
    const decipher = createDecipheriv("aes-256-gcm", Buffer.from(key, "base64url"), nonce);
    decipher.setAAD(MAGIC);
    decipher.setAuthTag(bundle.subarray(-TAG_BYTES));
    const body = bundle.subarray(MAGIC.length + NONCE_BYTES, -TAG_BYTES);
    return Buffer.concat([decipher.update(body), decipher.final()]);
  } catch (error) {
    throw new CodedError(
      {
        code: "recover.wrong-key",
        title: "The bundle does not open with this recovery key",
        why: messageOf(error),
        fix: "The key is on the recovery sheet of the same hub: 43 letters, digits, - and _.",
        exit: EX.DATAERR,
      },
      { cause: error },
    );
  }
}

/** Reads all of it while the hub runs; the database by SQLite's own copy, which is of one moment. */
export async function makeBundle(paths: HubPaths, master: Uint8Array): Promise<Buffer> {
  mkdirSync(paths.run, { recursive: true, mode: 0o700 });
  const dir = mkdtempSync(join(paths.run, "bundle-"));
  try {
    const db = new Database(paths.db, { readonly: true });
    try {
      db.run("VACUUM INTO ?", [join(dir, "hub.sqlite")]);
    } finally {
      db.close();
    }
    for (const name of FOLDERS)
      if (existsSync(join(paths.dir, name)))
        cpSync(join(paths.dir, name), join(dir, name), { recursive: true });
    // Where it came by the environment it is in no file.
    mkdirSync(join(dir, "secrets"), { recursive: true, mode: 0o700 });
    writeFileSync(join(dir, "secrets/master.key"), `${Buffer.from(master).toString("base64url")}\n`, {
      mode: 0o600,
    });
    mkdirSync(join(dir, "ssh"), { mode: 0o700 });
    cpSync(join(paths.ssh, HOST_KEY), join(dir, "ssh", HOST_KEY));
    const tar = join(dir, "bundle.tar");
    await execOk(["tar", "-C", dir, "--exclude=bundle.tar", "-cf", tar, "."], { timeout: 120_000 });
    return encryptBundle(recoveryKey(master), readFileSync(tar));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Into an empty place for a hub. Error `recover.not-empty`. */
export async function unpackBundle(paths: HubPaths, tar: Buffer): Promise<void> {
  if (existsSync(paths.db)) {
    throw new CodedError({
      code: "recover.not-empty",
      title: `There is a hub in ${paths.dir} already`,
      fix: "Move that directory away first, or recover into another --data-dir.",
      exit: EX.CANTCREAT,
    });
  }
  mkdirSync(paths.dir, { recursive: true, mode: 0o700 });
  await execOk(["tar", "-C", paths.dir, "--no-same-owner", "-xf", "-"], { stdin: tar, timeout: 120_000 });
  for (const dir of [paths.dir, paths.secrets, paths.ssh, paths.tls])
    if (existsSync(dir)) chmodSync(dir, 0o700);
}
