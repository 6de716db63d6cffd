/** Machines that the hub signs in to over SSH, to make them its hosts. */
import { z } from "zod";

export const lookRequestSchema = z.object({ target: z.string().trim().min(1).max(300) });

/** What the machine shows before anybody signs in. */
export const machineLookSchema = z.object({
  /** `user@host:port`, as it is kept. */
  target: z.string(),
  /** The key to compare with what the machine itself prints: `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`. */
  host_key: z.object({ type: z.string(), fingerprint: z.string() }),
  /** The one that was confirmed before, where it is another. */
  known_fingerprint: z.string().nullable(),
  /** Line for ~/.ssh/authorized_keys of that user there. */
  hub_key: z.string(),
});
export type MachineLook = z.infer<typeof machineLookSchema>;

export const addMachineSchema = z.object({
  target: z.string().trim().min(1).max(300),
  /** The key that a person compared. */
  fingerprint: z.string().max(100).startsWith("SHA256:"),
  /** Of the user there; used for this once, never stored: to leave the hub's key there, and for sudo. */
  password: z.string().min(1).max(500).optional(),
  /** Of the project host there, where 9200 is taken. */
  base_port: z.number().int().min(1223).max(63_000).optional(),
  /** Where its state lives, where not in the service user's home. */
  data_dir: z
    .string()
    .max(200)
    .regex(/^\/[A-Za-z0-9._/-]+$/, "an absolute path of letters, digits, dots and dashes")
    .optional(),
  /** It is a host of another hub already, and is to leave that one. */
  replace: z.boolean().optional(),
});
export type AddMachine = z.infer<typeof addMachineSchema>;

export const machineSchema = z.object({
  machine_id: z.uuid(),
  target: z.string(),
  fingerprint: z.string(),
  host_id: z.uuid().nullable(),
  operation_id: z.uuid().nullable(),
  /** `none`: it reaches the hub by itself. Otherwise the hub holds a connection to it, over which it does. */
  link: z.enum(["none", "up", "down"]),
  problem: z
    .object({ code: z.string(), title: z.string(), why: z.string().optional(), fix: z.string().optional() })
    .nullable(),
  created_at: z.iso.datetime(),
});
export type Machine = z.infer<typeof machineSchema>;
