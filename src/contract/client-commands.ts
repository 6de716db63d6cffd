/** The part of the API client that is about upgrades and rollbacks of hosts. */
import { z } from "zod";
import { hostCommandSchema, type UpgradeHost } from "./api-commands.ts";
import type { ApiCall } from "./client.ts";

export function commandsClient(call: ApiCall) {
  const of = (host: string) => `/hosts/${encodeURIComponent(host)}`;
  return {
    /** Newest first. */
    list: (host: string) => call("GET", `${of(host)}/commands`, z.array(hostCommandSchema)),
    upgrade: (host: string, wanted: UpgradeHost = {}) =>
      call("POST", `${of(host)}/upgrade`, hostCommandSchema, wanted),
    rollback: (host: string) => call("POST", `${of(host)}/rollback`, hostCommandSchema),
    cancel: (host: string, command: string) =>
      call("POST", `${of(host)}/commands/${encodeURIComponent(command)}/cancel`, hostCommandSchema),
  };
}
