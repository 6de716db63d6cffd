/**
 * `storage mount`: before anything starts. What is mounted is what the record names, or nothing is. With `--auto` a pool
 * is made where there is none and room for one, and lack of room is told, not failed.
 */
import { command, print } from "../../../core/cli.ts";
import { messageOf } from "../../../core/errors.ts";
import { logger } from "../../../core/log.ts";
import { growPool } from "../grow.ts";
import { initPool, mountPool } from "../pool.ts";
import { readPoolRecord } from "../pool-record.ts";
import { directoryOf, openPlaces, planOf, planText, targetArgs } from "./kit.ts";

const log = logger("storage");

export default command({
  meta: { name: "mount", description: "Mounts this host's pool and lets it grow" },
  args: {
    ...targetArgs,
    auto: { type: "boolean", description: "Make a pool first, where there is none and room for one" },
  },
  async run({ args }) {
    const places = openPlaces(args);
    if (readPoolRecord(places) === undefined && args.auto === true) {
      const plan = await planOf(args, true);
      if (plan.action === "directory") {
        print(args, { mounted: false, plan }, (value) => planText(value.plan));
        return;
      }
      await initPool(places, plan);
    }
    const record = await mountPool(places);
    try {
      const { from, to } = await growPool(places, await directoryOf(args), false);
      if (to > from) log.info("the pool grew with its disk", { from, to });
    } catch (error) {
      // It works at the size that it has.
      log.warn("the pool could not grow", { why: messageOf(error) });
    }
    print(
      args,
      { mounted: true, ...record },
      (value) => `mounted ${value.uuid} (${value.mode}) on ${places.pool}`,
    );
  },
});
