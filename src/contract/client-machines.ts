/** The part of the API client that is about machines which the hub signs in to. */
import { z } from "zod";
import { operationSchema } from "./api.ts";
import { type AddMachine, machineLookSchema, machineSchema } from "./api-machines.ts";
import type { ApiCall } from "./client.ts";

export function machinesClient(call: ApiCall) {
  return {
    list: () => call("GET", "/machines", z.array(machineSchema)),
    look: (target: string) => call("POST", "/machines/look", machineLookSchema, { target }),
    add: (body: AddMachine) => call("POST", "/machines", operationSchema, body),
    remove: (id: string) => call("DELETE", `/machines/${encodeURIComponent(id)}`, z.object({})),
  };
}
