/** Virtual machines of Multipass on a host, each of which joins the hub as a host of its own. */
import { z } from "zod";

export const VM_PREFIX = "cocalc-";

/** With or without the prefix; Multipass' own rule for names is the same but for that. */
export const vmNameSchema = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,55}[a-z0-9])?$/, "lower-case letters, digits and dashes, at most 50 of them");

const whole = (most: number) => z.number().int().min(1, "a whole number of 1 or more").max(most);
export const vmSizeSchema = z.object({
  cpus: whole(1_024),
  /** GiB, as the disk. */
  memory: whole(100_000),
  disk: whole(100_000),
});
export type VmSize = z.infer<typeof vmSizeSchema>;
export const DEFAULT_VM: VmSize = { cpus: 2, memory: 4, disk: 40 };

/** As Multipass tells it; only of those that are ours. */
export const vmSchema = z.object({
  name: z.string().max(200),
  /** Its word: Running, Stopped, Starting, … */
  state: z.string().max(60),
  ipv4: z.array(z.string().max(60)).default([]),
  release: z.string().max(100).default(""),
});
export type Vm = z.infer<typeof vmSchema>;

export const vmActSchema = z.enum(["create", "start", "stop", "resize", "delete"]);
export type VmAct = z.infer<typeof vmActSchema>;
