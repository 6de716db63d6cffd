/** What a command about a virtual machine takes with it when it is sent. */
import { z } from "zod";
import { type CommandOrder, commandVmSchema } from "../../contract/host-verbs/commands.ts";
import { LOCAL_ADMIN } from "../accounts/caller.ts";
import type { HubCore } from "../core.ts";
import type { HostCommandTable } from "../db/schema.ts";

/**
 * Of a token that waits in a virtual machine: Multipass fetches its image (it has half an hour for that and the boot),
 * then cloud-init fetches packages before it joins.
 */
const TOKEN_MINUTES = 120;

/** In the row: by its token it is known later which host a virtual machine became. The secret is not kept. */
export const keptVmSchema = commandVmSchema.extend({ token_id: z.uuid().optional() });

/** Of a virtual machine that was not made: nobody is to join with it. */
export async function revokeVmToken(
  core: Pick<HubCore, "tokens" | "keysChanged">,
  row: Pick<HostCommandTable, "vm">,
): Promise<void> {
  const token_id = row.vm === null ? undefined : keptVmSchema.parse(JSON.parse(row.vm)).token_id;
  if (token_id === undefined) return;
  await core.tokens.revoke({ ...LOCAL_ADMIN, name: "the hub" }, token_id);
  await core.keysChanged();
}

export async function vmOrder(
  core: Pick<HubCore, "tokens" | "keysChanged">,
  row: HostCommandTable,
  change: (row: HostCommandTable, set: Partial<HostCommandTable>) => Promise<boolean>,
): Promise<NonNullable<CommandOrder["vm"]> | undefined> {
  if (row.vm === null) return undefined;
  const vm = keptVmSchema.parse(JSON.parse(row.vm));
  const { name, size } = vm;
  // Made as late as can be, since it is good for a time only; a machine that took the command already needs none.
  if (row.kind !== "vm-create" || row.state === "running") return { name, size, token: null };
  // The one that was sent before, and may not have arrived.
  await revokeVmToken(core, row);
  const made = await core.tokens.create({ ...LOCAL_ADMIN, name: row.created_by }, "self-host", TOKEN_MINUTES);
  await core.keysChanged();
  await change(row, { vm: JSON.stringify({ ...vm, token_id: made.token_id }) });
  return { name, size, token: made.token };
}
