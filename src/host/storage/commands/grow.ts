/** `storage grow`: to what the disk has room for by now, while projects run. It never shrinks. */
import { command, common, print } from "../../../core/cli.ts";
import { growPool } from "../grow.ts";
import { gb } from "../plan.ts";
import { directoryOf, openPlaces } from "./kit.ts";

export default command({
  meta: { name: "grow", description: "Enlarges the pool to what its disk has room for, while projects run" },
  args: {
    ...common,
    preallocate: {
      type: "boolean",
      description: "Also take all of the room at once: a full disk then hurts nothing that was saved",
    },
  },
  async run({ args }) {
    const grown = await growPool(openPlaces(args), await directoryOf(args), args.preallocate === true);
    print(args, grown, ({ from, to, preallocated }) =>
      [
        to > from ? `grew from ${gb(from)} to ${gb(to)}` : `stays at ${gb(to)}: no more room`,
        ...(preallocated ? ["all of its room is taken"] : []),
      ].join("\n"),
    );
  },
});
