/** `storage init`: makes the pool that `plan` described, and mounts it. */
import { existsSync } from "node:fs";
import { command, print } from "../../../core/cli.ts";
import { CodedError, EX } from "../../../core/errors.ts";
import { adoptImage, initPool, mountPool } from "../pool.ts";
import { readPoolRecord } from "../pool-record.ts";
import { openPlaces, planOf, planText, targetArgs } from "./kit.ts";

export default command({
  meta: { name: "init", description: "Makes this host's pool and mounts it" },
  args: targetArgs,
  async run({ args }) {
    const places = openPlaces(args);
    const plan = await planOf(args);
    const orphan = args.adopt === true && args.device === undefined && existsSync(places.image);
    if (orphan && readPoolRecord(places) === undefined) await adoptImage(places, plan);
    else if (plan.action === "directory") {
      throw new CodedError({
        code: "storage.no-room",
        title: "No pool can be made here",
        why: planText(plan),
        fix: "Free space, install what is missing, or name a partition with --device. Without a pool, projects are in plain directories.",
        exit: EX.UNAVAILABLE,
      });
    } else await initPool(places, plan);
    const record = await mountPool(places);
    print(args, { ...record, mounted_on: places.pool }, (value) =>
      [planText(plan).replace(/^would /m, "done: "), `UUID ${value.uuid}, on ${value.mounted_on}`].join("\n"),
    );
  },
});
