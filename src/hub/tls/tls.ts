/**
 * The hub's TLS: a certificate of the admin's (`tls/cert.pem` and `tls/key.pem`), or a leaf of the hub's own CA. The
 * leaf's key is kept over renewals, so that the pin in a printed join line holds; hosts pin the CA. Made with openssl.
 */
import { createHash, X509Certificate } from "node:crypto";
import { existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import { CodedError, EX, messageOf } from "../../core/errors.ts";
import { exec } from "../../core/exec.ts";
import { ensureDir } from "../../core/paths.ts";
import { writeFileAtomic, writeStateFile } from "../../core/state-file.ts";

const CA_DAYS = 3650;
/** Browsers refuse leaves that are valid for longer than 398 days. */
const LEAF_DAYS = 390;
const RENEW_BEFORE_MS = 30 * 86_400_000;

/**
 * What the CA may speak for beside the hub's own names: a stolen CA key must not open the internet. Names alone:
 * BoringSSL, and so every host's connection, refuses a chain with constraints on addresses (“unsupported name
 * constraint type”, seen with Bun 1.4.5).
 */
const PRIVATE_NAMES = ["localhost", "local", "lan", "internal", "home.arpa"];

export interface Tls {
  caPem: string;
  certPem: string;
  keyPem: string;
  /** base64 SHA-256 of the leaf's SubjectPublicKeyInfo, as `curl --pinnedpubkey sha256//…` takes it. */
  pin: string;
  notAfter: Date;
  /** The admin's own certificate rather than one of the hub's CA. */
  own: boolean;
}

async function openssl(args: string[], stdin?: string): Promise<string> {
  let result: Awaited<ReturnType<typeof exec>>;
  try {
    result = await exec(["openssl", ...args], stdin === undefined ? {} : { stdin });
  } catch (error) {
    throw new CodedError(
      {
        code: "tls.no-openssl",
        title: "openssl is not installed",
        why: messageOf(error),
        fix: "The hub makes its certificates with it.",
        command: "apt-get install openssl",
        exit: EX.UNAVAILABLE,
      },
      { cause: error },
    );
  }
  if (result.code === 0) return result.stdout;
  throw new CodedError({
    code: "tls.openssl-failed",
    title: "openssl could not make the hub's certificate",
    why: result.stderr.trim().slice(-1000),
    exit: EX.SOFTWARE,
  });
}

export function spkiPin(certPem: string): string {
  const spki = new X509Certificate(certPem).publicKey.export({ format: "der", type: "spki" });
  return createHash("sha256").update(spki).digest("base64");
}

function describe(certPem: string, keyPem: string, caPem: string, own: boolean): Tls {
  return {
    caPem,
    certPem,
    keyPem,
    pin: spkiPin(certPem),
    notAfter: new Date(new X509Certificate(certPem).validTo),
    own,
  };
}

async function makeKey(path: string): Promise<void> {
  if (existsSync(path)) return;
  writeFileAtomic(
    path,
    await openssl(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]),
  );
}

function constraints(names: string[]): string {
  const hosts = names.filter((name) => isIP(name) === 0);
  return [...new Set([...PRIVATE_NAMES, ...hosts])].map((name) => `permitted;DNS:${name}`).join(",");
}

async function makeCa(dir: string, names: string[]): Promise<void> {
  const key = join(dir, "ca-key.pem");
  await makeKey(key);
  const pem = await openssl([
    "req",
    "-x509",
    "-new",
    "-key",
    key,
    "-days",
    String(CA_DAYS),
    "-subj",
    "/CN=CoCalc Launchpad hub CA",
    "-addext",
    "basicConstraints=critical,CA:TRUE,pathlen:0",
    "-addext",
    "keyUsage=critical,keyCertSign,cRLSign",
    "-addext",
    `nameConstraints=critical,${constraints(names)}`,
  ]);
  writeFileAtomic(join(dir, "ca.pem"), pem, 0o644);
}

async function makeLeaf(dir: string, names: string[]): Promise<void> {
  const key = join(dir, "leaf-key.pem");
  await makeKey(key);
  const san = names.map((name) => `${isIP(name) === 0 ? "DNS" : "IP"}:${name}`).join(",");
  const extensions = join(dir, "leaf.ext");
  writeFileAtomic(
    extensions,
    [
      "basicConstraints=critical,CA:FALSE",
      "keyUsage=critical,digitalSignature",
      "extendedKeyUsage=serverAuth",
      `subjectAltName=${san}`,
      "",
    ].join("\n"),
  );
  const request = join(dir, "leaf.csr");
  await openssl(["req", "-new", "-key", key, "-subj", "/CN=CoCalc Launchpad hub", "-out", request]);
  const pem = await openssl([
    "x509",
    "-req",
    "-in",
    request,
    "-CA",
    join(dir, "ca.pem"),
    "-CAkey",
    join(dir, "ca-key.pem"),
    "-set_serial",
    `0x${crypto.randomUUID().replaceAll("-", "")}`,
    "-days",
    String(LEAF_DAYS),
    "-sha256",
    "-extfile",
    extensions,
  ]);
  writeFileAtomic(join(dir, "leaf.pem"), pem, 0o644);
  rmSync(request, { force: true });
  writeStateFile(join(dir, "leaf.json"), { names });
}

/** `names` are DNS names and addresses by which the hub is reached. */
export async function loadTls(dir: string, names: string[]): Promise<Tls> {
  ensureDir(dir);
  const own = { cert: join(dir, "cert.pem"), key: join(dir, "key.pem") };
  if (existsSync(own.cert) && existsSync(own.key)) {
    const cert = readFileSync(own.cert, "utf8");
    return describe(cert, readFileSync(own.key, "utf8"), cert, true);
  }
  const ca = join(dir, "ca.pem");
  const leaf = join(dir, "leaf.pem");
  if (!existsSync(ca)) await makeCa(dir, names);
  const wanted = [...new Set(names)].sort();
  let fresh = false;
  if (existsSync(leaf)) {
    try {
      const had = JSON.parse(readFileSync(join(dir, "leaf.json"), "utf8")) as { names: string[] };
      const { validTo } = new X509Certificate(readFileSync(leaf, "utf8"));
      fresh =
        JSON.stringify(had.names) === JSON.stringify(wanted) &&
        Date.parse(validTo) - Date.now() > RENEW_BEFORE_MS;
    } catch {
      renameSync(leaf, `${leaf}.unreadable`);
    }
  }
  if (!fresh) await makeLeaf(dir, wanted);
  return describe(
    readFileSync(leaf, "utf8"),
    readFileSync(join(dir, "leaf-key.pem"), "utf8"),
    readFileSync(ca, "utf8"),
    false,
  );
}
