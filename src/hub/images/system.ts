/**
 * The image `system`: each host's own programs. Nothing is handed out; a host tells its fingerprint with its report, and
 * the hub places projects by it.
 */
import type { Host } from "../../contract/api.ts";
import { CodedError, EX } from "../../core/errors.ts";

export const SYSTEM = "system";

/** Whether its own programs can be a project's root file system. */
export const offersSystem = (host: Host) => typeof host.report?.system_image?.digest === "string";

/** Errors: `image.system-not-offered`, with the host's own reason. */
export function assertOffers(image: string, host: Host): void {
  if (image !== SYSTEM || offersSystem(host)) return;
  const told = host.report?.system_image?.problem;
  throw new CodedError({
    code: "image.system-not-offered",
    title: `${host.name} does not offer its own programs as an image`,
    why: told ? [told.title, told.why].filter(Boolean).join(". ") : "It has not told that it can.",
    fix: told?.fix ?? "Wait until it is ready, or take another image.",
    status: 409,
    exit: EX.UNAVAILABLE,
  });
}

/**
 * A move asks first: what a project installed there fits the programs it began with. `again` is the command that says
 * yes. Errors: `move.other-system`, `image.system-not-offered`.
 */
export function assertSameSystem(
  project: { image: string; image_digest: string | null },
  host: Host,
  again: string,
): void {
  assertOffers(project.image, host);
  const there = host.report?.system_image?.digest;
  if (project.image !== SYSTEM || project.image_digest === null || there === project.image_digest) return;
  throw new CodedError({
    code: "move.other-system",
    title: `${host.name} has other programs than those that this project ran on`,
    why: `It has the image system, which is its machine’s own: fingerprint ${project.image_digest.slice(0, 12)} there, ${there?.slice(0, 12)} on ${host.name}.`,
    fix: "Its files are safe either way; programs that it installed itself may not work. Nothing has changed yet.",
    command: again,
    status: 409,
    exit: EX.TEMPFAIL,
  });
}
