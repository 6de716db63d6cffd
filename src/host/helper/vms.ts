/** The helper's part in virtual machines: one thing at a time, and nothing but what the verbs name. */
import type { z } from "zod";
import { decodeJoinToken } from "../../contract/join-token.ts";
import { DEFAULT_VM } from "../../contract/vms.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { userData } from "../vms/cloud-init.ts";
import { createMultipass } from "../vms/multipass.ts";
import type { HelperHandlers } from "./server.ts";
import type { Turns } from "./turns.ts";
import type { vmHelperVerbs } from "./verbs/vms.ts";

type Act = z.infer<(typeof vmHelperVerbs)["vm.act"]["request"]>;

async function act({ act: what, name, size, token, again }: Act): Promise<void> {
  const vms = createMultipass();
  if (what === "start") await vms.start(name);
  else if (what === "stop") await vms.stop(name);
  else if (what === "resize") await vms.resize(name, size);
  else if (what === "delete") await vms.remove(name, again);
  else {
    if (token === null)
      throw new CodedError({
        code: "vm.no-token",
        title: "There is no join token to make it with",
        fix: "Ask the hub again.",
        exit: EX.DATAERR,
      });
    await vms.create(name, { ...DEFAULT_VM, ...size }, userData(token, decodeJoinToken(token)), again);
  }
}

export function vmHandlers(turns: Turns): Pick<HelperHandlers, "vm.list" | "vm.act"> {
  return {
    "vm.list": async () => ({ vms: await createMultipass().list() }),
    "vm.act": async (order) => {
      await turns.take("vm", () => act(order));
      return {};
    },
  };
}
