/**
 * The one string a new machine needs: where the hub is, how to recognise it, and a secret that works once.
 * Both sides derive an Ed25519 pairing key from the secret (core/ssh-keys), so the hub stores a public half only.
 */
import { createHash } from "node:crypto";
import { z } from "zod";
import { CodedError, EX, messageOf } from "../core/errors.ts";

const PREFIX = "lpj_";
export const JOIN_TOKEN_MINUTES = 30;
/** What the pairing key is derived for, on both sides. */
export const pairingKeyInfo = "cocalc pairing v1";

export const joinTokenContentSchema = z.object({
  v: z.literal(1),
  token_id: z.uuid(),
  hub_id: z.uuid(),
  kind: z.enum(["local", "self-host"]),
  /** Names and addresses the hub believes it is reached by, best first. */
  addresses: z.array(z.string().min(1).max(253)).min(1).max(16),
  https_port: z.number().int().min(1).max(65535),
  sshd_port: z.number().int().min(1).max(65535),
  /** `SHA256:…` of the hub's sshd host key. */
  ssh_fingerprint: z.string().startsWith("SHA256:"),
  /** Login name for sshd: the user that runs it. */
  ssh_user: z.string().min(1).max(64),
  /** base64 SHA-256 of the SubjectPublicKeyInfo of the hub's TLS key, as curl's --pinnedpubkey takes it. */
  tls_pin: z.string().min(40),
  /** 32 bytes, base64url. */
  secret: z.string().length(43),
  /** When it was made (a hub of the version before does not say) and when it ends: seconds since 1970 by the hub's clock. */
  iat: z.number().int().optional(),
  exp: z.number().int(),
});
export type JoinTokenContent = z.infer<typeof joinTokenContentSchema>;

function check(body: string): string {
  return createHash("sha256").update(body).digest("base64url").slice(0, 6);
}

export function encodeJoinToken(content: JoinTokenContent): string {
  const body = Buffer.from(JSON.stringify(joinTokenContentSchema.parse(content))).toString("base64url");
  return `${PREFIX}${body}.${check(body)}`;
}

/** Reads a pasted token. White space and line breaks from the paste are forgiven; a missing piece is named. */
export function decodeJoinToken(text: string): JoinTokenContent {
  const fail = (why: string, cause?: unknown): never => {
    throw new CodedError(
      {
        code: "join.token-unreadable",
        title: "The join token cannot be read",
        why,
        fix: "Copy the whole line again from the hub: Hosts, Add a machine.",
        status: 422,
        exit: EX.DATAERR,
      },
      { cause },
    );
  };
  const token = text.replace(/\s+/g, "");
  if (token === "") return fail("it is empty");
  if (!token.startsWith(PREFIX)) return fail(`it does not begin with ${PREFIX}`);
  const [body = "", sum] = token.slice(PREFIX.length).split(".");
  if (sum === undefined || sum !== check(body))
    return fail("its end is missing or was changed: the paste was cut or altered");
  try {
    return joinTokenContentSchema.parse(JSON.parse(Buffer.from(body, "base64url").toString("utf8")));
  } catch (error) {
    return fail(messageOf(error), error);
  }
}

/** POST /pair and the pairing forced command take this. */
export const pairRequestSchema = z.object({
  token_id: z.uuid(),
  /** The host's own new public key, one `ssh-ed25519 …` line. */
  public_key: z.string().max(400).startsWith("ssh-ed25519 "),
  /** EdDSA JWT by the pairing key derived from the secret: {token_id, public_key}. Over SSH the login itself is the proof. */
  proof: z.string().max(4000).optional(),
  name: z.string().min(1).max(253),
  /** The host of this hub that the machine was before it lost its key or its state. */
  host_id: z.uuid().optional(),
  /** `machineFactsSchema` of api.ts. */
  facts: z.unknown(),
  version: z.string().max(100),
});
export type PairRequest = z.infer<typeof pairRequestSchema>;

/** What a paired host keeps for ever, in host.json. */
export const pairResponseSchema = z.object({
  host_id: z.uuid(),
  hub_id: z.uuid(),
  name: z.string(),
  kind: z.enum(["local", "self-host"]),
  /** The hub's grant-signing public key, JWK. */
  hub_public_key: z.record(z.string(), z.unknown()),
  /** The hub's CA, PEM; pinned for HTTPS and WSS. */
  ca_pem: z.string(),
  addresses: z.array(z.string()),
  https_port: z.number().int(),
  /** Over plain HTTP, on this machine's loopback alone: Plus, which has no certificate. */
  plain: z.boolean().optional(),
  sshd_port: z.number().int(),
  /** The hub's sshd host key, `ssh-ed25519 …`. */
  ssh_host_key: z.string(),
  ssh_user: z.string(),
  ports: z.object({ http: z.number().int(), ssh: z.number().int() }),
  /** The hub's clock, ISO. */
  time: z.iso.datetime(),
});
export type PairResponse = z.infer<typeof pairResponseSchema>;

/** POST /offer-key: a machine that has another key than the hub knows shows it; an admin compares and accepts. */
export const offerKeySchema = z.object({
  host_id: z.uuid(),
  public_key: z.string().max(400).startsWith("ssh-ed25519 "),
  /** JWT by that very key: nobody can offer a key that is not theirs. */
  proof: z.string().max(4000),
});
export type OfferKey = z.infer<typeof offerKeySchema>;
export const offerKeyReplySchema = z.object({
  state: z.enum(["known", "offered"]),
  known: z.string(),
});
export type OfferKeyReply = z.infer<typeof offerKeyReplySchema>;
