/** The part of the API client that is about hosts on their way out. */
import { z } from "zod";
import { operationSchema } from "./api.ts";
import { leavingPlanSchema, tombstoneSchema } from "./api-leaving.ts";
import type { ApiCall } from "./client.ts";

export function leavingClient(call: ApiCall) {
  const of = (host: string) => `/hosts/${encodeURIComponent(host)}`;
  return {
    tombstones: () => call("GET", "/tombstones", z.array(tombstoneSchema)),
    plan: (host: string, keepData: boolean) =>
      call("GET", `${of(host)}/leaving${keepData ? "?keep_data=1" : ""}`, leavingPlanSchema),
    deprovision: (host: string, wanted: { keep_data: boolean; without_backups: boolean }) =>
      call("POST", `${of(host)}/deprovision`, operationSchema, wanted),
    drain: (host: string, wanted: { draining: boolean; move: boolean }) =>
      call("POST", `${of(host)}/drain`, operationSchema.nullable(), wanted),
    forget: (host: string, acceptLoss: boolean) =>
      call("POST", `${of(host)}/forget`, tombstoneSchema, { accept_loss: acceptLoss }),
  };
}
