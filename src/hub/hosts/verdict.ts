/**
 * What state a host is in, from what is seen of it. Ready means: a signed echo goes round, its control link is up,
 * its runtime can run something, and its projects' files are there. Pure.
 */
import type { Host, HostState } from "../../contract/api.ts";
import type { ProblemDetails } from "../../core/errors.ts";
import { HOST_KEY_CHANGED } from "./changed-key.ts";

export interface Seen {
  /** Its control link is up. */
  connected: boolean;
  /** A signed echo went round. */
  up: boolean;
  /** What the host says of its own tunnel: a changed key, a refusal. It knows better than the missing echo. */
  told?: ProblemDetails | undefined;
  /** What the echo showed of its clock. A wrong one also keeps the control link away: so it is the cause to name. */
  clock?: ProblemDetails | undefined;
}

const LINK_DOWN: ProblemDetails = {
  code: "host.no-control-link",
  title: "Its control link is down",
  why: "The host's daemon is not connected to the hub.",
  fix: "It connects again by itself. If this lasts, see the log of cocalc-project-host serve there.",
};
const TUNNEL_DOWN: ProblemDetails = {
  code: "tunnel.down",
  title: "No echo comes back through its tunnel",
  why: "Its control link works, its tunnel does not.",
  fix: "It connects again by itself. If this lasts, see the log of the connector there.",
};

/** undefined: nothing is to be changed. */
export function verdict(
  host: Pick<Host, "state" | "problem" | "report" | "desired_state">,
  { connected, up, told, clock }: Seen,
): { state: HostState; problem: ProblemDetails | null } | undefined {
  if (host.desired_state === "gone") return undefined;
  // Its last echoes and its link may still live for a moment: that must not hide why it is away.
  if (host.problem?.code === "host.key-revoked") return { state: "offline", problem: host.problem };
  const joining = host.state === "pairing" || host.state === "bootstrapping";
  if (!connected && !up) {
    if (joining) return undefined;
    // Why it is away was seen: another key was shown in its place.
    if (host.problem?.code === HOST_KEY_CHANGED) return undefined;
    // Nobody can tell from here why.
    return { state: "offline", problem: null };
  }
  if (up && clock) return { state: "degraded", problem: clock };
  if (!connected) return joining ? undefined : { state: "degraded", problem: LINK_DOWN };
  if (!up) {
    // While it joins, the checklist is where this is shown: unless the host knows that it cannot succeed.
    if (told) return { state: "degraded", problem: told };
    return joining ? undefined : { state: "degraded", problem: TUNNEL_DOWN };
  }
  if (host.report === null) return undefined;
  // A report that an older hub stored says nothing of its storage's problem.
  const problem = host.report.runtime.problem ?? host.report.storage.problem ?? null;
  return { state: problem ? "degraded" : "ready", problem };
}
