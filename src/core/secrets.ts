/**
 * Secrets at rest: AES-256-GCM under a key derived (HKDF) for each context, so that a value copied from one row or
 * column to another does not open. The master key is a 0600 file, or comes by COCALC_MASTER_KEY.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CodedError, EX, messageOf } from "./errors.ts";
import { ensureDir } from "./paths.ts";
import { writeFileAtomic } from "./state-file.ts";

const VERSION = "s1";
const KEY_BYTES = 32;

/** Key material of `bytes` length kept in `<dir>/<name>`, made at the first call. */
export function loadOrCreateSecret(dir: string, name: string, bytes = KEY_BYTES): Buffer {
  ensureDir(dir);
  const path = join(dir, name);
  if (!existsSync(path)) writeFileAtomic(path, `${randomBytes(bytes).toString("base64url")}\n`);
  const secret = Buffer.from(readFileSync(path, "utf8").trim(), "base64url");
  if (secret.length !== bytes) {
    throw new CodedError({
      code: "secret.damaged",
      title: `The secret ${path} is damaged`,
      why: `It has ${secret.length} bytes where ${bytes} belong.`,
      fix: "Restore it from a backup of the data directory: without it nothing it sealed can be read.",
      exit: EX.DATAERR,
    });
  }
  return secret;
}

/** The master key: `fromEnvironment` (COCALC_MASTER_KEY, 32 bytes base64url) or a file of ours. */
export function masterKey(dir: string, fromEnvironment?: string): Buffer {
  if (fromEnvironment === undefined) return loadOrCreateSecret(dir, "master.key");
  const key = Buffer.from(fromEnvironment, "base64url");
  if (key.length === KEY_BYTES) return key;
  throw new CodedError({
    code: "config.master-key",
    title: "COCALC_MASTER_KEY is not a key",
    why: `It decodes to ${key.length} bytes where ${KEY_BYTES} belong.`,
    fix: "Make one: openssl rand -base64 32 | tr '+/' '-_' | tr -d =",
    exit: EX.CONFIG,
  });
}

/** A secret of its own for each purpose, all from the one master key. */
export function deriveSecret(master: Uint8Array, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", master, Buffer.alloc(0), `cocalc ${purpose}`, KEY_BYTES));
}

function keyFor(master: Uint8Array, context: string): Buffer {
  return Buffer.from(hkdfSync("sha256", master, Buffer.alloc(0), `cocalc secret ${context}`, KEY_BYTES));
}

/** `context` says what it is for, for example `settings:backup_password`; {@link open} needs the same. */
export function seal(master: Uint8Array, context: string, value: string): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", keyFor(master, context), nonce);
  cipher.setAAD(Buffer.from(context));
  const body = Buffer.concat([cipher.update(value, "utf8"), cipher.final()]);
  return `${VERSION}.${Buffer.concat([nonce, body, cipher.getAuthTag()]).toString("base64url")}`;
}

export function open(master: Uint8Array, context: string, sealed: string): string {
  try {
    const [version, body = ""] = sealed.split(".");
    if (version !== VERSION) throw new Error(`unknown form ${version?.slice(0, 8)}`);
    const bytes = Buffer.from(body, "base64url");
    const decipher = createDecipheriv("aes-256-gcm", keyFor(master, context), bytes.subarray(0, 12));
    decipher.setAAD(Buffer.from(context));
    decipher.setAuthTag(bytes.subarray(-16));
    return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString("utf8");
  } catch (error) {
    throw new CodedError(
      {
        code: "secret.unreadable",
        title: `The stored secret ${context} cannot be opened`,
        why: messageOf(error),
        fix: "The master key is not the one it was sealed with: restore secrets/master.key from a backup.",
        exit: EX.DATAERR,
      },
      { cause: error },
    );
  }
}
