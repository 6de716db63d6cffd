/** Whether a project is idle, when it is warned and when it is stopped. Pure. */

/** Between the warning and the stop. */
export const WARN_MS = 5 * 60_000;
/** Below this share of one processor, nothing of note goes on: a clock, a cursor, a poll. */
export const BUSY_CPUS = 0.05;

export interface Activity {
  /** Processors busy with it since it was last looked at. */
  cpus: number;
  /** Terminals that somebody looks at. */
  viewed: number;
  /** Programs in the foreground of terminals. */
  programs: readonly string[];
  /** Open connections to its web servers. */
  connections: number;
  /** People, and machines, that are logged in over SSH. */
  ssh: number;
}

/** What keeps it awake, in words. */
export function awakeBy(activity: Activity): string[] {
  const { cpus, viewed, programs, connections, ssh } = activity;
  const reasons: string[] = [];
  if (viewed > 0)
    reasons.push(
      viewed === 1 ? "a terminal that somebody looks at" : `${viewed} terminals that people look at`,
    );
  for (const name of programs.slice(0, 5)) reasons.push(`${name} in a terminal`);
  if (programs.length > 5) reasons.push(`${programs.length - 5} more programs in terminals`);
  if (ssh > 0) reasons.push(ssh === 1 ? "an SSH login" : `${ssh} SSH logins`);
  if (connections > 0)
    reasons.push(connections === 1 ? "a connection to it" : `${connections} connections to it`);
  if (cpus >= BUSY_CPUS) reasons.push(`programs that use ${cpus.toFixed(2)} CPUs`);
  return reasons;
}

export interface IdleState {
  /** Milliseconds since the epoch; undefined while something goes on. */
  idleSince: number | undefined;
  warned: boolean;
}

export interface Verdict {
  state: IdleState;
  stopsAt: number | undefined;
  act: "warn" | "unwarn" | "stop" | undefined;
}

/** `minutes`: how long it may be idle; 0 is for ever. A short time still warns: for half of it. */
export function judgeIdle(before: IdleState, awake: boolean, minutes: number, now: number): Verdict {
  if (awake) {
    return {
      state: { idleSince: undefined, warned: false },
      stopsAt: undefined,
      act: before.warned ? "unwarn" : undefined,
    };
  }
  const idleSince = before.idleSince ?? now;
  if (minutes === 0) {
    return {
      state: { idleSince, warned: false },
      stopsAt: undefined,
      act: before.warned ? "unwarn" : undefined,
    };
  }
  const allowed = minutes * 60_000;
  const stopsAt = idleSince + allowed;
  const warnAt = stopsAt - Math.min(WARN_MS, allowed / 2);
  if (now >= stopsAt && before.warned) return { state: { idleSince, warned: true }, stopsAt, act: "stop" };
  // Never without a warning: a machine that slept wakes long after the time.
  if (now >= warnAt && !before.warned) {
    return {
      state: { idleSince: Math.max(idleSince, now - (warnAt - idleSince)), warned: true },
      stopsAt: Math.max(stopsAt, now + Math.min(WARN_MS, allowed / 2)),
      act: "warn",
    };
  }
  return { state: { idleSince, warned: before.warned }, stopsAt, act: undefined };
}
