/**
 * Grants: short EdDSA JWTs by which the hub tells a host what a request or a socket may do. The host pinned the
 * hub's public key at pairing; the audience is that host alone. The reverse proof, a host towards the hub, is a
 * JWT signed by the host's own tunnel key.
 */
import { jwtVerify, SignJWT } from "jose";
import { z } from "zod";
import { CodedError, messageOf } from "../core/errors.ts";
import { roleSchema } from "./api.ts";
import { appTargetSchema } from "./apps.ts";

/** Header that carries a grant from hub to host; the host strips it before an app sees the request. */
export const GRANT_HEADER = "cocalc-grant";
/** Proxied requests: signed for 60 s, reused for 30 s on both sides (signing each costs as much as proxying it). */
export const PROXY_GRANT_SECONDS = 60;
export const PROXY_GRANT_REUSE_SECONDS = 30;
/** A browser's socket to a host. */
export const CONAT_GRANT_SECONDS = 600;
/** A host's proof towards the hub, and the hub's own calls. */
export const ASSERTION_SECONDS = 60;
/** Clocks further apart than this are a coded error, not a silent refusal. */
export const MAX_CLOCK_SKEW_SECONDS = 300;

const uuid = z.uuid();
/** What somebody is in a project; `paths`: the folders and files that a viewer sees. */
const projectRightSchema = z.object({
  project_id: uuid,
  role: roleSchema,
  paths: z.array(z.string().max(1000)).max(50).optional(),
});
export type ProjectRight = z.infer<typeof projectRightSchema>;

export const grantSchema = z.discriminatedUnion("kind", [
  /** One port, or one managed app, of one project, for one person. */
  z.object({ kind: z.literal("proxy"), sub: z.string(), project_id: uuid, target: appTargetSchema }),
  /** A browser's (or CLI's) message socket: the projects it may address on this host. */
  z.object({
    kind: z.literal("conat"),
    sub: z.string(),
    name: z.string(),
    projects: z.array(projectRightSchema),
  }),
  /** Files of one project over HTTP, for one person. */
  z.object({
    kind: z.literal("files"),
    sub: z.string(),
    project_id: uuid,
    access: z.enum(["read", "write"]),
    /** Of a viewer: the folders and files that it sees. */
    paths: z.array(z.string().max(1000)).max(50).optional(),
  }),
  /** The hub itself: echo. */
  z.object({ kind: z.literal("hub"), sub: z.literal("hub") }),
]);
export type Grant = z.infer<typeof grantSchema>;

type Key = CryptoKey | Uint8Array;

/** Signs a grant for `hostId`. `now` is the hub's clock in seconds. */
export async function signGrant(
  grant: Grant,
  options: { key: Key; hubId: string; hostId: string; seconds: number; now?: number },
): Promise<string> {
  const now = options.now ?? Math.floor(Date.now() / 1000);
  const { sub, ...claims } = grant;
  return await new SignJWT(claims)
    .setProtectedHeader({ alg: "EdDSA", typ: "grant+jwt" })
    .setSubject(sub)
    .setIssuer(options.hubId)
    .setAudience(options.hostId)
    .setIssuedAt(now)
    .setExpirationTime(now + options.seconds)
    .sign(options.key);
}

/** Verifies a grant made for this host. `now` is the host's best knowledge of the hub's clock, in seconds. */
export async function verifyGrant(
  token: string,
  options: { key: Key; hubId: string; hostId: string; now?: number },
): Promise<Grant & { expires_at: number }> {
  try {
    const { payload } = await jwtVerify(token, options.key, {
      algorithms: ["EdDSA"],
      typ: "grant+jwt",
      issuer: options.hubId,
      audience: options.hostId,
      requiredClaims: ["exp", "iat", "sub"],
      clockTolerance: 5,
      ...(options.now === undefined ? {} : { currentDate: new Date(options.now * 1000) }),
    });
    return { ...grantSchema.parse(payload), expires_at: payload.exp ?? 0 };
  } catch (error) {
    throw new CodedError(
      {
        code: "grant.refused",
        title: "The grant was refused",
        why: messageOf(error),
        fix: "If this lasts, compare the clocks of hub and host: more than 5 minutes apart makes every grant invalid.",
        status: 403,
      },
      { cause: error },
    );
  }
}

/** What a host proves itself for. */
type AssertionPurpose = "control" | "echo" | "offer-key";

/** A host's proof of itself: `purpose` keeps an echo answer from serving as a login. */
export async function signAssertion(
  purpose: AssertionPurpose,
  claims: Record<string, string | number>,
  options: { key: Key; hubId: string; hostId: string; now?: number },
): Promise<string> {
  const now = options.now ?? Math.floor(Date.now() / 1000);
  return await new SignJWT({ ...claims, purpose })
    .setProtectedHeader({ alg: "EdDSA", typ: "host+jwt" })
    .setIssuer(options.hostId)
    .setAudience(options.hubId)
    .setIssuedAt(now)
    .setExpirationTime(now + ASSERTION_SECONDS)
    .sign(options.key);
}

/**
 * Verifies a host's proof. The clock is not judged here: an echo must be answerable by a machine whose clock is
 * wrong, so that the skew can be *told*; freshness comes from the nonce. For `control`, pass `judgeClock`.
 */
export async function verifyAssertion(
  token: string,
  purpose: AssertionPurpose,
  options: { key: Key; hubId: string; hostId: string; judgeClock: boolean },
): Promise<Record<string, unknown>> {
  const { payload } = await jwtVerify(token, options.key, {
    algorithms: ["EdDSA"],
    typ: "host+jwt",
    issuer: options.hostId,
    audience: options.hubId,
    clockTolerance: options.judgeClock ? MAX_CLOCK_SKEW_SECONDS : Number.MAX_SAFE_INTEGER / 2,
  });
  if (payload.purpose !== purpose) {
    throw new CodedError({
      code: "host.wrong-proof",
      title: "That proof was made for another purpose",
      status: 403,
    });
  }
  return payload;
}
