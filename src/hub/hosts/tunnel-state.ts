/** What is known of the way to a host. Kept in memory: it is measured anew within seconds of a start. */
export interface TunnelState {
  /** `up` only while a signed echo goes end to end. */
  state: "up" | "down" | "never";
  rtt_ms: number | null;
  /** Last hour, one value a minute, null where no echo came back. */
  history_ms: (number | null)[];
  since: string | null;
  last_echo_at: string | null;
}

export const NO_TUNNEL: TunnelState = {
  state: "never",
  rtt_ms: null,
  history_ms: [],
  since: null,
  last_echo_at: null,
};

const HISTORY_MINUTES = 60;

/** One measurement later: pure, so that the decision is tested without a tunnel. `rtt` null: no echo came back. */
export function nextTunnelState(
  before: TunnelState,
  rtt: number | null,
  at: Date,
  misses: { inARow: number; allowed: number },
): TunnelState {
  const iso = at.toISOString();
  const history = [...before.history_ms];
  const newMinute =
    before.last_echo_at === null || iso.slice(0, 16) !== (before.last_echo_at ?? "").slice(0, 16);
  if (newMinute || history.length === 0) history.push(rtt);
  else if (rtt !== null) history[history.length - 1] = rtt;
  while (history.length > HISTORY_MINUTES) history.shift();
  if (rtt !== null) {
    return {
      state: "up",
      rtt_ms: rtt,
      history_ms: history,
      since: before.state === "up" ? before.since : iso,
      last_echo_at: iso,
    };
  }
  // One lost echo is no outage; several in a row are.
  if (before.state === "up" && misses.inARow <= misses.allowed) return before;
  if (before.state === "never") return { ...before, history_ms: history };
  return {
    ...before,
    state: "down",
    rtt_ms: null,
    history_ms: before.state === "down" && !newMinute ? before.history_ms : history,
    since: before.state === "down" ? before.since : iso,
  };
}
