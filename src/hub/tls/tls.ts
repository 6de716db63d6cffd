/**
 * The hub's certificates. For people: the admin's own (`tls/cert.pem` and `tls/key.pem`), or a leaf of the hub's CA for
 * all its names. For machines, which pin that CA when they are paired: always a leaf of it, for loopback, where their
 * tunnels end, so that no change of names or certificates cuts a host off. Keys are kept over renewals, so that the pin
 * in a printed join line holds. Made with openssl.
 */
import { createHash, createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
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

export interface Certificate {
  certPem: string;
  keyPem: string;
  /** base64 SHA-256 of the leaf's SubjectPublicKeyInfo, as `curl --pinnedpubkey sha256//…` takes it. */
  pin: string;
  notAfter: Date;
}

export interface Tls {
  /** What machines pin: the CA as it was made first. */
  caPem: string;
  /** What a browser can be told to trust; none when the admin's own certificate is shown to people. */
  people: Certificate & { caPem: string | undefined };
  machines: Certificate;
}

/** Else it reads the CAs of the system, hundreds, which nothing here is checked against. */
const NO_CAS = { SSL_CERT_FILE: "/dev/null", SSL_CERT_DIR: "/dev/null" };

async function openssl(args: string[], stdin?: string): Promise<string> {
  let result: Awaited<ReturnType<typeof exec>>;
  try {
    result = await exec(["openssl", ...args], { env: NO_CAS, ...(stdin === undefined ? {} : { stdin }) });
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

function describe(certPem: string, keyPem: string): Certificate {
  return {
    certPem,
    keyPem,
    pin: spkiPin(certPem),
    notAfter: new Date(new X509Certificate(certPem).validTo),
  };
}

function makeKey(path: string): void {
  if (existsSync(path)) return;
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  writeFileAtomic(path, privateKey.export({ type: "pkcs8", format: "pem" }) as string);
}

function permittedNames(names: readonly string[]): string[] {
  return [
    ...new Set([
      ...PRIVATE_NAMES,
      ...names.filter((name) => isIP(name) === 0).map((name) => name.replace(/^\*\./, "")),
    ]),
  ].sort();
}

/** Whether a name constraint of `permitted` lets `name` through: the name itself or one below it. */
export function isPermitted(name: string, permitted: readonly string[]): boolean {
  return isIP(name) !== 0 || permitted.some((one) => name === one || name.endsWith(`.${one}`));
}

async function makeCa(dir: string, file: string, names: string[]): Promise<void> {
  const key = join(dir, "ca-key.pem");
  makeKey(key);
  const permitted = permittedNames(names);
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
    `nameConstraints=critical,${permitted.map((name) => `permitted;DNS:${name}`).join(",")}`,
  ]);
  writeFileAtomic(join(dir, `${file}.pem`), pem, 0o644);
  writeStateFile(join(dir, `${file}.json`), { permitted });
}

async function makeLeaf(dir: string, file: string, ca: string, names: string[]): Promise<void> {
  const key = join(dir, `${file}-key.pem`);
  makeKey(key);
  const san = names.map((name) => `${isIP(name) === 0 ? "DNS" : "IP"}:${name}`).join(",");
  const extensions = join(dir, `${file}.ext`);
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
  const request = join(dir, `${file}.csr`);
  await openssl(["req", "-new", "-key", key, "-subj", "/CN=CoCalc Launchpad hub", "-out", request]);
  const pem = await openssl([
    "x509",
    "-req",
    "-in",
    request,
    "-CA",
    ca,
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
  writeFileAtomic(join(dir, `${file}.pem`), pem, 0o644);
  rmSync(request, { force: true });
  writeStateFile(join(dir, `${file}.json`), { names, ca: fingerprintOf(ca) });
}

const fingerprintOf = (file: string) => new X509Certificate(readFileSync(file)).fingerprint256;

/** A leaf for these names that is good for another month, made when there is none. */
async function leaf(dir: string, file: string, ca: string, names: string[]): Promise<Certificate> {
  const cert = join(dir, `${file}.pem`);
  const wanted = [...new Set(names)].sort();
  let fresh = false;
  if (existsSync(cert)) {
    try {
      const had = JSON.parse(readFileSync(join(dir, `${file}.json`), "utf8")) as {
        names: string[];
        ca: string;
      };
      const { validTo } = new X509Certificate(readFileSync(cert, "utf8"));
      fresh =
        had.ca === fingerprintOf(ca) &&
        JSON.stringify(had.names) === JSON.stringify(wanted) &&
        Date.parse(validTo) - Date.now() > RENEW_BEFORE_MS;
    } catch {
      renameSync(cert, `${cert}.unreadable`);
    }
  }
  if (!fresh) await makeLeaf(dir, file, ca, wanted);
  return describe(readFileSync(cert, "utf8"), readFileSync(join(dir, `${file}-key.pem`), "utf8"));
}

function permittedBy(path: string): string[] {
  try {
    return (JSON.parse(readFileSync(path, "utf8")) as { permitted: string[] }).permitted;
  } catch {
    return []; // not known: made anew
  }
}

/** The admin's own, when both files are there. Errors: `tls.own-unusable`. */
function ownCertificate(dir: string): Certificate | undefined {
  const [cert, key] = [join(dir, "cert.pem"), join(dir, "key.pem")];
  if (!existsSync(cert) || !existsSync(key)) return undefined;
  const certPem = readFileSync(cert, "utf8");
  const keyPem = readFileSync(key, "utf8");
  try {
    if (!new X509Certificate(certPem).checkPrivateKey(createPrivateKey(keyPem)))
      throw new Error("the key is not that of the first certificate in cert.pem");
    return describe(certPem, keyPem);
  } catch (error) {
    throw new CodedError(
      {
        code: "tls.own-unusable",
        title: `The certificate in ${cert} cannot be used`,
        why: messageOf(error),
        fix: "cert.pem holds the hub's certificate first, then its chain; key.pem its private key, without a passphrase. Without both files the hub makes its own.",
        exit: EX.CONFIG,
      },
      { cause: error },
    );
  }
}

/** `names` are DNS names and addresses by which the hub is reached. Called again, it renews what must be renewed. */
export async function loadTls(dir: string, names: string[]): Promise<Tls> {
  ensureDir(dir);
  const ca = join(dir, "ca.pem");
  if (!existsSync(ca)) await makeCa(dir, "ca", names);
  const caPem = readFileSync(ca, "utf8");
  const machines = await leaf(dir, "machines", ca, ["localhost", "127.0.0.1"]);
  const own = ownCertificate(dir);
  if (own) return { caPem, machines, people: { ...own, caPem: undefined } };
  // A name that the first CA may not speak for: a second certificate of the same CA key may. Machines keep the first.
  let peopleCa = "ca";
  if (!names.every((name) => isPermitted(name, permittedBy(join(dir, "ca.json"))))) {
    peopleCa = "ca-people";
    const permitted = permittedBy(join(dir, "ca-people.json"));
    if (!names.every((name) => isPermitted(name, permitted))) await makeCa(dir, peopleCa, names);
  }
  const file = join(dir, `${peopleCa}.pem`);
  const people = await leaf(dir, "people", file, names);
  return { caPem, machines, people: { ...people, caPem: readFileSync(file, "utf8") } };
}
