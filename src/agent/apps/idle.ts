/** When an app is idle: nobody is connected, and it does no work. Pure. */

export interface Usage {
  /** Clock ticks of CPU of its whole session, when it was last looked at. */
  cpu: number;
  at: number;
  /** When it was last used or worked. */
  active: number;
}

/** Of /proc/<pid>/stat, on every Linux that we run on. */
const TICKS_PER_SECOND = 100;
/** Below this share of one CPU it only ticks over; a notebook that computes with its tab closed is well above. */
const WORKING = 0.03;

export function idle(
  usage: Usage,
  seen: { cpu: number; sessions: number; now: number; limitMs: number },
): { usage: Usage; over: boolean } {
  const seconds = Math.max(0.001, (seen.now - usage.at) / 1000);
  // A child that ended takes its ticks with it.
  const share = Math.max(0, seen.cpu - usage.cpu) / TICKS_PER_SECOND / seconds;
  const active = seen.sessions > 0 || share > WORKING ? seen.now : usage.active;
  return {
    usage: { cpu: seen.cpu, at: seen.now, active },
    over: seen.limitMs > 0 && seen.now - active >= seen.limitMs,
  };
}
