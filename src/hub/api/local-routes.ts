/** For `up` and sshd's forced command, over the unix socket alone. Elsewhere these routes do not exist. */
import type { Hono } from "hono";
import { z } from "zod";
import { pairRequestSchema, pairResponseSchema } from "../../contract/join-token.ts";
import type { Setup } from "../accounts/setup.ts";
import type { JoinTokens } from "../hosts/join-tokens.ts";
import type { HostService } from "../hosts/service.ts";
import type { Pairing } from "../pairing/pairing.ts";
import { type ApiEnv, body, doc, localOnly } from "./kit.ts";

export interface LocalRouteDeps {
  setup: Setup;
  joinTokens: JoinTokens;
  pairing: Pairing;
  hostService: HostService;
  /** Addresses people can open, `https://…:port`, best first; and the loopback door's. */
  doors(): { loopback: string; lan: string[] };
}

export function localRoutes(api: Hono<ApiEnv>, deps: LocalRouteDeps): void {
  api.get("/local/ready", doc("Whether the hub serves", z.object({ ready: z.boolean() })), (c) => {
    localOnly(c);
    return c.json({ ready: true });
  });
  api.get("/local/setup-urls", doc("Where to open it the first time", z.object({})), async (c) => {
    localOnly(c);
    const token = await deps.setup.token();
    const { loopback, lan } = deps.doors();
    const suffix = token === null ? "/" : `/setup#token=${token}`;
    return c.json({
      needed: token !== null,
      token,
      loopback: loopback + suffix,
      lan: lan.map((url) => url + suffix),
    });
  });
  api.get("/local/host", doc("Whether this machine is a host of the hub", z.object({})), async (c) => {
    const caller = localOnly(c);
    const hosts = await deps.hostService.list(caller);
    return c.json({ there: hosts.some((host) => host.type.kind === "local") });
  });
  api.post(
    "/local/join-token",
    doc("A join token for this machine", z.object({})),
    body(z.object({ kind: z.literal("local") })),
    async (c) => {
      const created = await deps.joinTokens.create(localOnly(c), c.req.valid("json").kind);
      return c.json({ token: created.token }, 201);
    },
  );
  api.post(
    "/local/pair-handshake",
    doc("Pairing over SSH: the login was the proof", pairResponseSchema),
    body(z.object({ token_id: z.uuid(), request: pairRequestSchema, from: z.string().max(253) })),
    async (c) => {
      localOnly(c);
      const { token_id, request, from } = c.req.valid("json");
      return c.json(await deps.pairing.pair({ ...request, token_id }, "ssh", from));
    },
  );
}
