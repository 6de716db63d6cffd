/** Now and then, what was unpacked on this host and nothing needs any more is taken away. */
import { messageOf } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import type { HostCore, HostFeature } from "../core.ts";

const log = logger("images");
const LOOK_MS = 6 * 3_600_000;

export function createImagePruning(host: HostCore): HostFeature {
  let timer: ReturnType<typeof setInterval> | undefined;
  async function look(): Promise<void> {
    // What is current is the hub's to say: without it nothing is known to be old.
    const { images } = await host.link().refresh();
    await host.images.prune(
      images.map(({ digest }) => digest),
      host.manager.digests(),
    );
  }
  return {
    async start() {
      const round = () =>
        void look().catch((error: unknown) => log.warn("old images stay for now", { why: messageOf(error) }));
      timer = setInterval(round, LOOK_MS);
    },
    close: () => clearInterval(timer),
  };
}
