/** Projects on the image `system` are told when their machine's programs become others. */
import { messageOf, type ProblemDetails } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import type { HostCore, HostFeature } from "../core.ts";

const log = logger("images");
const LOOK_MS = 60_000;

/** `since`: of its last start, or of the one before when it has just started. */
export function systemChanged(before: string, now: string, since: "last start" | "start"): ProblemDetails {
  return {
    code: "project.system-changed",
    title: `The programs of its machine changed since the project’s ${since}`,
    why: `Packages were installed or upgraded there: fingerprint ${before.slice(0, 12)} became ${now.slice(0, 12)}.`,
    fix:
      since === "start"
        ? "It runs on the new ones as they are used; restart it, so that all of it does."
        : "What it installed itself stays, and may want an upgrade: sudo apt-get -f install. Otherwise there is nothing to do.",
  };
}

export function createSystemWatch(
  host: Pick<HostCore, "manager" | "helper">,
): HostFeature & { look(): Promise<void> } {
  const { manager, helper } = host;
  let timer: ReturnType<typeof setInterval> | undefined;
  async function look(): Promise<void> {
    const running = manager
      .statuses()
      .filter((one) => one.state === "running" && manager.spec(one.project_id)?.image === "system");
    if (running.length === 0) return;
    const { digest: now } = await helper.call("image.system", { make: false });
    if (now === null) return;
    for (const { project_id, digest, problem } of running) {
      // Something else is said with it.
      if (!digest || digest === now || problem !== null) continue;
      manager.notice(project_id, systemChanged(digest, now, "start"));
    }
  }
  return {
    look,
    async start() {
      const round = () =>
        void look().catch((error: unknown) =>
          log.warn("whether the machine's programs changed is not known", { why: messageOf(error) }),
        );
      timer = setInterval(round, LOOK_MS);
    },
    close: () => clearInterval(timer),
  };
}
