/** The part of the API client that is about what a machine brings along. */
import { z } from "zod";
import { projectSchema } from "./api.ts";
import { foundSchema } from "./api-found.ts";
import type { ApiCall } from "./client.ts";

export function foundClient(call: ApiCall) {
  const id = encodeURIComponent;
  return {
    list: (host: string) => call("GET", `/hosts/${id(host)}/found`, foundSchema),
    adopt: (host: string, project: string) =>
      call("POST", `/hosts/${id(host)}/found/${id(project)}/adopt`, projectSchema),
    wipe: (host: string, project: string, name: string) =>
      call("POST", `/hosts/${id(host)}/found/${id(project)}/wipe`, z.object({}), { name }),
  };
}
