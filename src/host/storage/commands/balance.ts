/** `storage balance`: gives back block groups that are half empty, so that the other kind can have them. */
import { command, common, print } from "../../../core/cli.ts";
import { execOk } from "../../../core/exec.ts";
import { mountPool } from "../pool.ts";
import { openPlaces } from "./kit.ts";

const BALANCE_TIMEOUT_MS = 24 * 3_600_000;

export default command({
  meta: { name: "balance", description: "Gives back half-empty block groups of the pool" },
  args: common,
  async run({ args }) {
    const places = openPlaces(args);
    await mountPool(places);
    const said = await execOk(["btrfs", "balance", "start", "-dusage=50", "-musage=30", places.pool], {
      timeout: BALANCE_TIMEOUT_MS,
    });
    print(args, { said: said.trim() }, (value) => value.said);
  },
});
