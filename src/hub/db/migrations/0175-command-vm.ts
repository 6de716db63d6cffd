import type { Kysely } from "kysely";
import type { Tables } from "../schema.ts";

/** Which virtual machine a command is about, and what is to be made of it. */
export async function commandVm({ schema }: Kysely<Tables>): Promise<void> {
  await schema.alterTable("host_commands").addColumn("vm", "text").execute();
}
