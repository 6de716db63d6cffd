/** Pairs with the hub: over HTTPS with the pinned key, or over SSH alone with the key the token's secret derives to. */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:https";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { SignJWT } from "jose";
import {
  type JoinTokenContent,
  type PairRequest,
  type PairResponse,
  pairingKeyInfo,
  pairResponseSchema,
} from "../../contract/join-token.ts";
import { problemSchema } from "../../contract/problem.ts";
import { CodedError, EX, messageOf } from "../../core/errors.ts";
import { exec } from "../../core/exec.ts";
import { deriveKeyPair, encodePrivateKey, fingerprint, type KeyPair } from "../../core/ssh-keys.ts";
import { writeFileAtomic } from "../../core/state-file.ts";
import { VERSION } from "../../core/version.ts";
import { likelyFirst, shownHostKey } from "../connector/addresses.ts";
import { machineFacts } from "../report/facts.ts";

const CONNECT_TIMEOUT_MS = 8_000;

export async function pair(
  token: JoinTokenContent,
  key: KeyPair,
  options: { sshOnly: boolean; hostId: string | undefined },
): Promise<{ response: PairResponse; address: string }> {
  const pairing = deriveKeyPair(Buffer.from(token.secret, "base64url"), pairingKeyInfo);
  const body: PairRequest = {
    token_id: token.token_id,
    public_key: key.publicLine,
    proof: await new SignJWT({ token_id: token.token_id, public_key: key.publicLine })
      .setProtectedHeader({ alg: "EdDSA" })
      .setIssuedAt()
      .sign(pairing.privateKey as never),
    name: hostname().slice(0, 100) || "host",
    host_id: options.hostId,
    facts: machineFacts(),
    version: VERSION,
  };
  const tried: string[] = [];
  for (const address of await likelyFirst(token.addresses, [token.https_port, token.sshd_port])) {
    for (const way of options.sshOnly ? (["ssh"] as const) : (["https", "ssh"] as const)) {
      try {
        const text =
          way === "https"
            ? await overHttps(token, address, body)
            : await overSsh(token, address, pairing, body);
        return { response: pairResponseSchema.parse(JSON.parse(text)), address };
      } catch (error) {
        // The hub's own refusal is the answer; only what did not reach it is tried elsewhere.
        if (error instanceof CodedError) throw error;
        tried.push(`${way} ${address}: ${messageOf(error)}`);
      }
    }
  }
  throw new CodedError({
    code: "join.hub-unreachable",
    title: "The hub does not answer at any of its addresses",
    why: tried.join("; "),
    fix: `Open ports ${token.https_port} and ${token.sshd_port} on the hub's firewall, or set public_host in its settings to a name this machine can reach.`,
    exit: EX.UNAVAILABLE,
  });
}

function refusal(text: string): CodedError {
  try {
    return new CodedError({ ...problemSchema.parse(JSON.parse(text)), exit: EX.NOPERM });
  } catch {
    return new CodedError({
      code: "join.bad-answer",
      title: "The hub gave no answer that can be read",
      why: text.slice(0, 300),
    });
  }
}

/** The certificate may be signed by anybody: its key is what the token names. Checked before a byte is sent. */
function overHttps(token: JoinTokenContent, address: string, body: PairRequest): Promise<string> {
  return new Promise((resolve, reject) => {
    const payload = JSON.stringify(body);
    const req = request({
      host: address,
      port: token.https_port,
      path: "/pair",
      method: "POST",
      agent: false,
      rejectUnauthorized: false,
      timeout: CONNECT_TIMEOUT_MS,
      headers: { "content-type": "application/json", "content-length": Buffer.byteLength(payload) },
    });
    req.on("timeout", () => req.destroy(new Error("no answer in time")));
    req.on("error", reject);
    req.on("socket", (socket) => {
      const tls = socket as TLSSocket;
      const check = () => {
        const certificate = tls.getPeerX509Certificate?.();
        const spki = certificate?.publicKey.export({ format: "der", type: "spki" });
        const pin = spki ? createHash("sha256").update(spki).digest("base64") : "none";
        if (pin === token.tls_pin) {
          req.end(payload);
          return;
        }
        req.destroy();
        reject(
          new CodedError({
            code: "join.wrong-tls-key",
            title: `What answers at ${address}:${token.https_port} is not the hub that made this token`,
            why: `Its TLS key is sha256//${pin}; the token names sha256//${token.tls_pin}.`,
            fix: "Somebody may be in between, or the hub was set up anew: make a new token on the hub.",
            exit: EX.NOPERM,
          }),
        );
      };
      if (tls.encrypted && tls.getPeerX509Certificate?.()) check();
      else socket.once("secureConnect", check);
    });
    req.on("response", (res) => {
      const chunks: Buffer[] = [];
      res.on("data", (chunk: Buffer) => chunks.push(chunk));
      res.on("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        if (res.statusCode === 200) resolve(text);
        else reject(refusal(text));
      });
    });
  });
}

async function overSsh(
  token: JoinTokenContent,
  address: string,
  pairing: KeyPair,
  body: PairRequest,
): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), "cocalc-pair-"));
  try {
    const identity = join(dir, "key");
    writeFileAtomic(identity, encodePrivateKey(pairing));
    const keyText = await shownHostKey(address, token.sshd_port);
    if (keyText === undefined) throw new Error("no SSH server answers");
    const shown = fingerprint(keyText);
    if (shown !== token.ssh_fingerprint) {
      throw new CodedError({
        code: "join.wrong-ssh-key",
        title: `What answers at ${address}:${token.sshd_port} is not the hub that made this token`,
        why: `Its SSH key is ${shown}; the token names ${token.ssh_fingerprint}.`,
        fix: "Somebody may be in between, or the hub was set up anew: make a new token on the hub.",
        exit: EX.NOPERM,
      });
    }
    const known = join(dir, "known_hosts");
    writeFileAtomic(known, `[${address}]:${token.sshd_port} ${keyText}\n`);
    const result = await exec(
      [
        "ssh",
        "-T",
        "-F",
        "none",
        "-p",
        String(token.sshd_port),
        "-i",
        identity,
        ...["IdentitiesOnly=yes", "BatchMode=yes", "StrictHostKeyChecking=yes", "ConnectTimeout=10"].flatMap(
          (option) => ["-o", option],
        ),
        "-o",
        `UserKnownHostsFile=${known}`,
        "-o",
        "GlobalKnownHostsFile=/dev/null",
        `${token.ssh_user}@${address}`,
      ],
      { stdin: JSON.stringify(body), timeout: 30_000 },
    );
    if (result.code === 0) return result.stdout;
    if (result.stdout.trim().startsWith("{")) throw refusal(result.stdout);
    throw new Error(result.stderr.trim().split("\n").pop() || `ssh ended with ${result.code}`);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
