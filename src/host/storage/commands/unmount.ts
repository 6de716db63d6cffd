/** `storage unmount`: after all projects have stopped. */
import { command, common, print } from "../../../core/cli.ts";
import { unmountPool } from "../pool.ts";
import { openPlaces } from "./kit.ts";

export default command({
  meta: { name: "unmount", description: "Unmounts this host's pool; no loop device is left" },
  args: common,
  async run({ args }) {
    const unmounted = await unmountPool(openPlaces(args));
    print(args, { unmounted }, (value) => (value.unmounted ? "unmounted" : "it was not mounted"));
  },
});
