/** What a failed run of rustic means, from what it and ssh said. Pure. */
import { causeOf, killed, whatItSaid } from "../../../contract/repository-causes.ts";
import { EX, type ProblemDetails } from "../../../core/errors.ts";
import type { RusticRun } from "./rustic-run.ts";

/** rustic gives up in the same way (a panic, 134) on data that is damaged and on a way that breaks off while it reads. */
const WAY = new Set([
  "backup.unreachable",
  "backup.refused",
  "backup.host-key-changed",
  "backup.s3-throttled",
]);

export function problemOfRun(run: RusticRun, what: string): ProblemDetails {
  const text = `${run.errors.join("\n")}\n${run.stderr}\n${run.warnings.join("\n")}`;
  const why =
    run.errors.slice(0, 3).join("\n") || whatItSaid(run.stderr, 3) || `rustic ended with status ${run.code}`;
  const ended = run.ended === undefined ? killed(run.code, what) : undefined;
  if (ended) return { ...ended, exit: EX.TEMPFAIL };
  if (run.ended === "silence") {
    return {
      code: "backup.silent",
      title: `${what} was ended: nothing moved for minutes`,
      why,
      fix: "The network or the hub went silent; it is tried again at the next run.",
      exit: EX.TEMPFAIL,
    };
  }
  const cause = causeOf(text);
  if (cause && (run.code !== 134 || WAY.has(cause.code))) return { ...cause, why, exit: EX.TEMPFAIL };
  if (run.code === 134) {
    return {
      code: "backup.pack-damaged",
      title: "Part of the backup's data could not be read from the repository",
      why,
      fix: "If the hub or the line was away meanwhile, start it again. If not, that part is damaged: restore an older or newer snapshot, or folders one by one; what lies outside comes back.",
      exit: EX.DATAERR,
    };
  }
  return {
    code: "backup.failed",
    title: `${what} failed`,
    why,
    fix: "The host's log has more.",
    exit: EX.SOFTWARE,
  };
}
