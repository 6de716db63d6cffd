/**
 * Ed25519 keys as OpenSSH writes them. One key serves two ends: OpenSSH logs in with it, and JWTs are signed with it.
 * Format: openssh-portable, PROTOCOL.key; public lines: RFC 8709.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { CodedError, EX } from "./errors.ts";
import { writeFileAtomic } from "./state-file.ts";

const TYPE = "ssh-ed25519";
/** PKCS#8 prefix of an Ed25519 seed (RFC 8410). */
const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");
/** SPKI prefix of an Ed25519 public key (RFC 8410). */
const SPKI = Buffer.from("302a300506032b6570032100", "hex");

export interface KeyPair {
  privateKey: KeyObject;
  publicKey: KeyObject;
  /** `ssh-ed25519 AAAA…`, without a comment. */
  publicLine: string;
}

function u32(n: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(n);
  return bytes;
}
function str(data: string | Buffer): Buffer {
  const bytes = typeof data === "string" ? Buffer.from(data) : data;
  return Buffer.concat([u32(bytes.length), bytes]);
}
function rawPublic(key: KeyObject): Buffer {
  return key.export({ format: "der", type: "spki" }).subarray(SPKI.length);
}
function seedOf(key: KeyObject): Buffer {
  return key.export({ format: "der", type: "pkcs8" }).subarray(PKCS8.length);
}
function publicBlob(key: KeyObject): Buffer {
  return Buffer.concat([str(TYPE), str(rawPublic(key))]);
}

function pairOf(privateKey: KeyObject): KeyPair {
  const publicKey = createPublicKey(privateKey);
  return { privateKey, publicKey, publicLine: `${TYPE} ${publicBlob(publicKey).toString("base64")}` };
}

export function generateKeyPair(): KeyPair {
  return pairOf(generateKeyPairSync("ed25519").privateKey);
}

/** The same key on both sides of a shared secret: HKDF-SHA256, `info` keeps purposes apart. */
export function deriveKeyPair(secret: Uint8Array, info: string): KeyPair {
  const seed = Buffer.from(hkdfSync("sha256", secret, Buffer.alloc(0), info, 32));
  return pairOf(createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: "der", type: "pkcs8" }));
}

/** An unencrypted OpenSSH private key file. */
export function encodePrivateKey(pair: KeyPair, comment = ""): string {
  const check = randomBytes(4);
  const pub = rawPublic(pair.publicKey);
  let body = Buffer.concat([
    check,
    check,
    str(TYPE),
    str(pub),
    str(Buffer.concat([seedOf(pair.privateKey), pub])),
    str(comment),
  ]);
  const padding = (8 - (body.length % 8)) % 8;
  body = Buffer.concat([body, Buffer.from([1, 2, 3, 4, 5, 6, 7].slice(0, padding))]);
  const blob = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    str("none"),
    str("none"),
    str(""),
    u32(1),
    str(publicBlob(pair.publicKey)),
    str(body),
  ]);
  const lines = blob.toString("base64").match(/.{1,70}/g) ?? [];
  return ["-----BEGIN OPENSSH PRIVATE KEY-----", ...lines, "-----END OPENSSH PRIVATE KEY-----", ""].join(
    "\n",
  );
}

function unreadable(why: string): CodedError {
  return new CodedError({
    code: "ssh-key.unreadable",
    title: "The SSH key cannot be read",
    why,
    fix: "It must be an unencrypted Ed25519 key in OpenSSH's format.",
    status: 422,
    exit: EX.DATAERR,
  });
}

function* fields(blob: Buffer): Generator<Buffer> {
  for (let at = 0; at < blob.length; ) {
    if (at + 4 > blob.length) throw unreadable("it ends in the middle");
    const length = blob.readUInt32BE(at);
    if (at + 4 + length > blob.length) throw unreadable("it ends in the middle");
    yield blob.subarray(at + 4, at + 4 + length);
    at += 4 + length;
  }
}

export function decodePrivateKey(text: string): KeyPair {
  const match = /-----BEGIN OPENSSH PRIVATE KEY-----([\s\S]+)-----END OPENSSH PRIVATE KEY-----/.exec(text);
  if (match?.[1] === undefined) throw unreadable("it has no OpenSSH header");
  const blob = Buffer.from(match[1].replace(/\s+/g, ""), "base64");
  const magic = "openssh-key-v1\0";
  if (blob.subarray(0, magic.length).toString("latin1") !== magic)
    throw unreadable("it has no OpenSSH magic");
  const rest = blob.subarray(magic.length);
  const outer = fields(rest);
  const cipher = outer.next().value?.toString();
  if (cipher !== "none") throw unreadable(`it is encrypted (${cipher})`);
  const kdf = outer.next().value ?? Buffer.alloc(0);
  const options = outer.next().value ?? Buffer.alloc(0);
  // cipher, kdf, options, then a count that is no string
  const at = 4 + 4 + 4 + kdf.length + 4 + options.length + 4;
  const inner = [...fields(rest.subarray(at))][1];
  if (inner === undefined) throw unreadable("it holds no private part");
  const parts = fields(inner.subarray(8));
  const type = parts.next().value?.toString();
  if (type !== TYPE) throw unreadable(`it is of type ${type}`);
  parts.next();
  const secret = parts.next().value;
  if (secret?.length !== 64) throw unreadable("its private part has the wrong length");
  return pairOf(
    createPrivateKey({ key: Buffer.concat([PKCS8, secret.subarray(0, 32)]), format: "der", type: "pkcs8" }),
  );
}

/** The public key of an `ssh-ed25519 AAAA… comment` line. */
export function decodePublicLine(line: string): KeyObject {
  const [type, data] = line.trim().split(/\s+/);
  if (type !== TYPE || data === undefined || !/^[A-Za-z0-9+/]+={0,2}$/.test(data)) {
    throw unreadable(`it does not begin with ${TYPE}`);
  }
  const [name, key, ...more] = [...fields(Buffer.from(data, "base64"))];
  if (name?.toString() !== TYPE || key?.length !== 32 || more.length > 0)
    throw unreadable("its parts do not fit");
  return createPublicKey({ key: Buffer.concat([SPKI, key]), format: "der", type: "spki" });
}

/** The line with its comment and stray white space gone; throws `ssh-key.unreadable` for anything else. */
export function normalizePublicLine(line: string): string {
  return `${TYPE} ${publicBlob(decodePublicLine(line)).toString("base64")}`;
}

/** `SHA256:…` as `ssh-keygen -lf` prints it. */
export function fingerprint(publicLine: string): string {
  const blob = publicBlob(decodePublicLine(publicLine));
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}

/** The key pair in a file (0600), made at the first call. `path.pub` lies beside it, as OpenSSH expects. */
export function loadOrCreateKeyPair(path: string, comment: string): KeyPair {
  if (existsSync(path)) return decodePrivateKey(readFileSync(path, "utf8"));
  const pair = generateKeyPair();
  writeFileAtomic(path, encodePrivateKey(pair, comment));
  writeFileAtomic(`${path}.pub`, `${pair.publicLine} ${comment}\n`, 0o644);
  return pair;
}
