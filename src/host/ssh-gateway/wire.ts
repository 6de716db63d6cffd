/**
 * What the daemon and its SSH gateway say to each other over a unix socket: JSON, a line each. The two may be of
 * neighbouring versions, since a gateway lives on over an upgrade: what is unknown is passed over.
 */
import type { Socket } from "node:net";
import { z } from "zod";
import { projectStatusSchema } from "../../contract/host-control.ts";
import { sshPresentSchema } from "../../contract/host-verbs/ssh.ts";
import { logger } from "../../core/log.ts";

const log = logger("ssh");
const MAX_LINE = 16 * 1024 * 1024;

export const gatewayProjectSchema = z.object({
  status: projectStatusSchema,
  name: z.string(),
  /** The way to its agent, while it runs. */
  agent: z.object({ socket: z.string(), token: z.string() }).nullable(),
});
export type GatewayProject = z.infer<typeof gatewayProjectSchema>;

/** From the daemon. */
export const orderSchema = z.discriminatedUnion("type", [
  /** All there are. */
  z.object({ type: z.literal("projects"), projects: z.array(gatewayProjectSchema) }),
  z.object({ type: z.literal("project"), project: gatewayProjectSchema }),
  /** Who may log in was written anew; answered by `rechecked`. */
  z.object({ type: z.literal("recheck"), id: z.number() }),
  /** Open the port, which one before it may still have too; answered by `listening`. */
  z.object({ type: z.literal("listen") }),
  /** Take no more; end with the last that is logged in. Answered by `listening`. */
  z.object({ type: z.literal("drain") }),
]);
export type Order = z.infer<typeof orderSchema>;

/** From a gateway. */
export const reportSchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("hello"),
    pid: z.number(),
    build: z.string(),
    /** As {@link doorName} has it. */
    door: z.string(),
    listening: z.boolean(),
    /** It takes no more, and ends with the last that is logged in. */
    draining: z.boolean(),
  }),
  z.object({ type: z.literal("listening"), listening: z.boolean() }),
  z.object({ type: z.literal("rechecked"), id: z.number(), ended: z.number() }),
  z.object({ type: z.literal("wake"), project_id: z.string() }),
  /** All that are logged in through it now; somebody with several connections several times. */
  z.object({ type: z.literal("logins"), logins: sshPresentSchema.shape.logins }),
  z.object({
    type: z.literal("login"),
    project_id: z.string(),
    account_id: z.string().nullable(),
    by: z.enum(["account", "project", "authorized_keys"]),
    fingerprint: z.string(),
    address: z.string(),
    client: z.string(),
    /** Its project was stopped. */
    woke: z.boolean(),
  }),
]);
export type Report = z.infer<typeof reportSchema>;

/** Where a gateway listens, and the key that it shows: one that does otherwise is not the one that is wanted. */
export const doorName = (door: { hostname: string | undefined; port: number }, hostKey: string): string =>
  `${door.hostname ?? "*"}:${door.port} ${hostKey}`;

export function send(socket: Socket, message: Order | Report): void {
  if (!socket.destroyed) socket.write(`${JSON.stringify(message)}\n`);
}

export function onMessages<T>(socket: Socket, schema: z.ZodType<T>, take: (message: T) => void): void {
  let rest = "";
  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    rest += chunk;
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > MAX_LINE) socket.destroy();
    for (const line of lines) {
      const message = parse(line, schema);
      if (message === undefined) log.debug("a message of another version", { line: line.slice(0, 100) });
      else take(message);
    }
  });
}

function parse<T>(line: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
