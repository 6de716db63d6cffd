/**
 * Public keys as people paste them and as authorized_keys holds them: `type base64 comment`, perhaps behind options.
 * Each part of the blob is checked (RFC 4253 §6.6, RFC 5656, RFC 8709), so that what is kept is a key and nothing else.
 */
import { createHash } from "node:crypto";
import { CodedError, EX } from "./errors.ts";

export interface PublicKey {
  type: string;
  /** Base64 of the blob: what identifies the key. */
  blob: string;
  /** Free text of whoever made it; empty when there is none. */
  comment: string;
  /** `SHA256:…` as `ssh-keygen -lf` prints it. */
  fingerprint: string;
  bits: number;
}

/** A 16,384-bit RSA key takes 2.8 kB; nobody pastes more. */
const MAX_LINE = 8192;
/** NIST has disallowed less since 2014, and OpenSSH refuses below 1024. */
const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 16_384;
const CURVES: Record<string, { name: string; point: number; bits: number }> = {
  "ecdsa-sha2-nistp256": { name: "nistp256", point: 65, bits: 256 },
  "ecdsa-sha2-nistp384": { name: "nistp384", point: 97, bits: 384 },
  "ecdsa-sha2-nistp521": { name: "nistp521", point: 133, bits: 521 },
};

function refuse(code: string, title: string, why: string, fix: string): CodedError {
  return new CodedError({ code: `ssh-key.${code}`, title, why, fix, status: 422, exit: EX.DATAERR });
}
const HOW = "Paste the line of the .pub file, which begins with ssh-ed25519: cat ~/.ssh/id_ed25519.pub";
const malformed = (why: string) => refuse("malformed", "That is no SSH public key", why, HOW);

/** The parts of a blob; undefined when they do not add up. */
function partsOf(blob: Buffer): Buffer[] | undefined {
  const parts: Buffer[] = [];
  let at = 0;
  while (at < blob.length) {
    if (at + 4 > blob.length) return undefined;
    const end = at + 4 + blob.readUInt32BE(at);
    if (end > blob.length || parts.length > 3) return undefined;
    parts.push(blob.subarray(at + 4, end));
    at = end;
  }
  return parts;
}

/** Bits of a positive mpint (RFC 4251 §5). */
function mpintBits(bytes: Buffer): number {
  let at = 0;
  while (at < bytes.length && bytes[at] === 0) at += 1;
  const first = bytes[at];
  return first === undefined ? 0 : (bytes.length - at) * 8 - Math.clz32(first) + 24;
}

function bitsOf(type: string, parts: Buffer[]): number {
  const [name, a, b] = parts;
  if (name?.toString("latin1") !== type) throw malformed(`The data is not that of a ${type} key.`);
  const curve = CURVES[type];
  if (curve !== undefined) {
    if (parts.length !== 3 || a?.toString("latin1") !== curve.name || b?.length !== curve.point || b[0] !== 4)
      throw malformed("Its point does not fit its curve.");
    return curve.bits;
  }
  if (type === "ssh-ed25519") {
    if (parts.length !== 2 || a?.length !== 32) throw malformed("Its parts do not fit.");
    return 256;
  }
  if (parts.length !== 3 || a === undefined || b === undefined || a.length === 0)
    throw malformed("Its parts do not fit.");
  const bits = mpintBits(b);
  if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS) {
    throw refuse(
      "weak",
      `An RSA key of ${bits} bits is not accepted`,
      `At least ${MIN_RSA_BITS} bits are needed, and at most ${MAX_RSA_BITS} are taken.`,
      "Make a new key: ssh-keygen -t ed25519",
    );
  }
  return bits;
}

/** One line without options. Errors: `ssh-key.malformed`, `.private`, `.weak`, `.unsupported`. */
export function parsePublicKey(line: string): PublicKey {
  const text = line.trim();
  if (/PRIVATE KEY|PuTTY-User-Key-File/.test(text)) {
    throw refuse(
      "private",
      "That is a private key, or part of one",
      "It was not kept. A private key never leaves the machine that it was made on.",
      `${HOW}. If others may have seen the private key, make a new one.`,
    );
  }
  if (text.length > MAX_LINE || /[\r\n\0]/.test(text)) throw malformed("A public key is one line.");
  const [type = "", blob = "", ...rest] = text.split(/[ \t]+/);
  if (type === "ssh-dss" || type.startsWith("sk-") || /-cert-v0[01]@/.test(type)) {
    throw refuse(
      "unsupported",
      `Keys of the type ${type.slice(0, 60)} are not taken`,
      type === "ssh-dss"
        ? "DSA keys are too weak."
        : "The SSH gateway cannot check signatures of security keys and certificates.",
      "Use an Ed25519 key: ssh-keygen -t ed25519",
    );
  }
  if (type !== "ssh-ed25519" && type !== "ssh-rsa" && CURVES[type] === undefined) {
    throw malformed(`It begins with “${type.slice(0, 40)}”, which is no type of key.`);
  }
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(blob)) throw malformed("The data behind its type is no base64.");
  const bytes = Buffer.from(blob, "base64");
  const parts = partsOf(bytes);
  if (parts === undefined) throw malformed("It ends in the middle.");
  const bits = bitsOf(type, parts);
  return {
    type,
    // As we write it, so that one key has one spelling.
    blob: bytes.toString("base64"),
    comment: rest.join(" ").slice(0, 200),
    fingerprint: blobFingerprint(bytes),
    bits,
  };
}

export function blobFingerprint(blob: Uint8Array): string {
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}

/** `type base64` */
export const publicLineOf = (key: Pick<PublicKey, "type" | "blob">): string => `${key.type} ${key.blob}`;

/** Of a file that somebody else writes: more keys than this are not looked at. */
export const MAX_AUTHORIZED_KEYS = 200;

/**
 * The keys of an authorized_keys file. Lines with options (`command=`, `from=`, `restrict` …) are left out: an option
 * that is not obeyed would give more than its writer meant. So are lines that cannot be read.
 */
export function parseAuthorizedKeys(text: string): PublicKey[] {
  const keys: PublicKey[] = [];
  for (const line of text.split("\n")) {
    if (keys.length >= MAX_AUTHORIZED_KEYS) break;
    if (line.length > MAX_LINE || line.trim() === "" || line.trimStart().startsWith("#")) continue;
    try {
      keys.push(parsePublicKey(line));
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
    }
  }
  return keys;
}
