/** Who may log in to which project over SSH: the hub tells each host, whole and in parts, and the host keeps it. */
import { z } from "zod";

const project_id = z.uuid();
const keySchema = z.object({
  type: z.string().max(60),
  /** Base64 of the public key's blob. */
  blob: z.string().max(8192),
});
export type AccessKey = z.infer<typeof keySchema>;

export const sshAccessSchema = z.object({
  /** Accounts named by {@link projects}, with their keys. */
  accounts: z.array(
    z.object({ account_id: z.string(), name: z.string(), keys: z.array(keySchema).max(200) }),
  ),
  projects: z.array(
    z.object({
      project_id,
      /** Owner and collaborators. */
      accounts: z.array(z.string()),
      /** The project's own keys that the hub knows. */
      keys: z.array(keySchema).max(200),
    }),
  ),
});
export type SshAccess = z.infer<typeof sshAccessSchema>;

/** One message holds this many projects: a frame is at most 1 MiB. */
export const ACCESS_PART_PROJECTS = 50;

export const sshHostVerbs = {
  /**
   * What counts from now on, when the last of `parts` of a `revision` came; live logins that it no longer allows end
   * before the answer. Replies with the host key of its gateway.
   */
  "ssh.access": {
    request: z.object({
      revision: z.string().max(80),
      part: z.number().int().min(0),
      parts: z.number().int().min(1).max(10_000),
      access: sshAccessSchema,
    }),
    reply: z.object({
      /** `ssh-ed25519 AAAA…` */
      host_key: z.string().max(200),
      listening: z.boolean(),
      ended: z.number().int(),
    }),
  },
} as const;

export const sshLoginSchema = z.object({
  project_id,
  /** Whose key it was; null for a key of the project itself. */
  account_id: z.string().max(100).nullable(),
  /** `authorized_keys`: a key that the project's own file names. */
  by: z.enum(["account", "project", "authorized_keys"]),
  fingerprint: z.string().max(100),
  /** Where it came from; null behind a tunnel, where only the hub's end is seen. */
  address: z.string().max(64).nullable(),
  client: z.string().max(200),
  /** The project was stopped, and this login starts it. */
  woke: z.boolean(),
});
export type SshLogin = z.infer<typeof sshLoginSchema>;

/** More people than that over SSH on one host are not all shown. */
export const MAX_PRESENT = 2_000;

/** Who is logged in on a host right now, whole: each person, or key of a project, once for each project. */
export const sshPresentSchema = z.object({
  logins: z
    .array(sshLoginSchema.pick({ project_id: true, account_id: true, by: true, fingerprint: true }))
    .max(MAX_PRESENT),
});
export type SshPresent = z.infer<typeof sshPresentSchema>;

export const sshHubVerbs = { "ssh-login": sshLoginSchema, "ssh-present": sshPresentSchema } as const;
