/** SSH keys of accounts and projects, and what a person needs to log in. */
import { z } from "zod";

const time = z.iso.datetime();

export const sshKeySchema = z.object({
  key_id: z.string(),
  name: z.string(),
  type: z.string(),
  bits: z.number().int(),
  fingerprint: z.string(),
  /** `type base64` */
  public_key: z.string(),
  created_at: time,
  created_by: z.string(),
  last_used_at: time.nullable(),
  /** Address of the last login; null where a tunnel hides it. */
  last_used_from: z.string().nullable(),
});
export type SshKey = z.infer<typeof sshKeySchema>;

export const addSshKeySchema = z.object({
  /** The line of a .pub file. */
  key: z.string().max(16_384),
  /** The key's own comment unless said. */
  name: z.string().trim().max(100).optional(),
});
export type AddSshKey = z.infer<typeof addSshKeySchema>;

/** The way through the hub's own sshd, for those who reach no other SSH port. */
export const sshJumpSchema = z.object({
  user: z.string(),
  port: z.number().int(),
  host_key: z.string(),
  fingerprint: z.string(),
});

export const sshGatewaySchema = z.object({
  host_id: z.string(),
  host_name: z.string(),
  port: z.number().int(),
  /** `ssh-ed25519 …`; null until the host has told it. */
  host_key: z.string().nullable(),
  fingerprint: z.string().nullable(),
  /** Whether its gateway listens, as far as the host said. */
  listening: z.boolean(),
});
export type SshGatewayInfo = z.infer<typeof sshGatewaySchema>;

export const projectSshSchema = z.object({
  user: z.string(),
  /** Names and addresses of the hub, best first. */
  addresses: z.array(z.string()),
  gateway: sshGatewaySchema.nullable(),
  jump: sshJumpSchema.nullable(),
  /** Keys of one's account: each is accepted. */
  your_keys: z.array(sshKeySchema),
  project_keys: z.array(sshKeySchema),
});
export type ProjectSsh = z.infer<typeof projectSshSchema>;

export const sshConfigSchema = z.object({
  hub_id: z.string(),
  addresses: z.array(z.string()),
  jump: sshJumpSchema.nullable(),
  gateways: z.array(sshGatewaySchema),
  projects: z.array(z.object({ project_id: z.uuid(), name: z.string(), host_id: z.string() })),
});
export type SshConfigData = z.infer<typeof sshConfigSchema>;
