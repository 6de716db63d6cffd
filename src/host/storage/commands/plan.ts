/** `storage plan`: what would be done, with its arithmetic. Touches nothing, and needs no root for a directory. */
import { command, print } from "../../../core/cli.ts";
import { readPoolRecord } from "../pool-record.ts";
import { placesOf, planOf, planText, targetArgs } from "./kit.ts";

export default command({
  meta: { name: "plan", description: "What `init` would do, with its arithmetic; touches nothing" },
  args: targetArgs,
  async run({ args }) {
    const plan = await planOf(args);
    let there = false;
    try {
      there = readPoolRecord(placesOf(args)) !== undefined;
    } catch {
      // Root's own, and we are not root: said by init.
    }
    print(args, { ...plan, pool_exists: there }, (value) =>
      value.pool_exists ? `${planText(value)}\n(this host has a pool already)` : planText(value),
    );
  },
});
