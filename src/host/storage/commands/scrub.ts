/** `storage scrub`: reads all of the pool and compares it with its checksums. */
import { command, common, print } from "../../../core/cli.ts";
import { EX } from "../../../core/errors.ts";
import { mountPool } from "../pool.ts";
import { scrub, scrubDue } from "../scrub.ts";
import { openPlaces } from "./kit.ts";

export default command({
  meta: { name: "scrub", description: "Reads all of the pool and compares it with its checksums" },
  args: { ...common, due: { type: "boolean", description: "Only if the last one is a month ago" } },
  async run({ args }) {
    const places = openPlaces(args);
    const record = await mountPool(places);
    if (args.due === true && !scrubDue(places, record.created_at, Date.now())) {
      print(args, { due: false }, () => "not due");
      return;
    }
    const result = await scrub(places);
    print(args, result, ({ errors, uncorrectable, took_ms }) =>
      errors === 0
        ? `all blocks are as they were written (${Math.round(took_ms / 1000)} s)`
        : `${errors} errors, ${uncorrectable} of which could not be mended; see dmesg for the files`,
    );
    if (result.uncorrectable > 0) process.exitCode = EX.IOERR;
  },
});
