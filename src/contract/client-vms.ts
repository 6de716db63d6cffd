/** The part of the API client that is about virtual machines on hosts. */
import { hostCommandSchema } from "./api-commands.ts";
import { type CreateVm, type ResizeVm, vmsSchema } from "./api-vms.ts";
import type { ApiCall } from "./client.ts";

export function vmsClient(call: ApiCall) {
  const id = encodeURIComponent;
  const of = (host: string) => `/hosts/${id(host)}/vms`;
  return {
    list: (host: string) => call("GET", of(host), vmsSchema),
    create: (host: string, wanted: CreateVm) => call("POST", of(host), hostCommandSchema, wanted),
    act: (host: string, name: string, act: "start" | "stop") =>
      call("POST", `${of(host)}/${id(name)}/${act}`, hostCommandSchema),
    resize: (host: string, name: string, size: ResizeVm) =>
      call("PATCH", `${of(host)}/${id(name)}`, hostCommandSchema, size),
    remove: (host: string, name: string, evenHost = false) =>
      call("DELETE", `${of(host)}/${id(name)}${evenHost ? "?even_host=true" : ""}`, hostCommandSchema),
  };
}
