/** State is a shape, a colour and a word, in that order of trust. */
import type { ReactNode } from "react";
import type { Check, HostState, ProjectState, Step } from "../../contract/api.ts";
import type { AppState } from "../../contract/apps.ts";

type Tone = "ok" | "busy" | "idle" | "warn" | "bad";
type Shape = "disc" | "arc" | "dots" | "ring" | "triangle" | "struck" | "octagon" | "dashed" | "tick";

function Glyph({ tone, shape }: { tone: Tone; shape: Shape }): ReactNode {
  const color = `var(--${tone})`;
  const common = { width: 12, height: 12, viewBox: "0 0 12 12" } as const;
  const line = { fill: "none", stroke: color, strokeWidth: 1.6, strokeLinecap: "round" } as const;
  switch (shape) {
    case "disc":
      return (
        <svg aria-hidden="true" {...common}>
          <circle cx="6" cy="6" r="4" fill={color} />
        </svg>
      );
    case "arc":
      return (
        <svg aria-hidden="true" {...common} className="turn">
          <circle cx="6" cy="6" r="4.4" {...line} opacity="0.3" />
          <path d="M6 1.6A4.4 4.4 0 0 1 10.4 6" {...line} />
        </svg>
      );
    case "dots":
      return (
        <svg aria-hidden="true" {...common}>
          {[2, 6, 10].map((x) => (
            <circle key={x} cx={x} cy="6" r="1.3" fill={color} />
          ))}
        </svg>
      );
    case "ring":
      return (
        <svg aria-hidden="true" {...common}>
          <circle cx="6" cy="6" r="4" {...line} />
        </svg>
      );
    case "dashed":
      return (
        <svg aria-hidden="true" {...common}>
          <circle cx="6" cy="6" r="4.2" {...line} strokeDasharray="2 2.4" />
        </svg>
      );
    case "triangle":
      return (
        <svg aria-hidden="true" {...common}>
          <path d="M6 1.5 11 10.5H1z" fill={color} />
        </svg>
      );
    case "struck":
      return (
        <svg aria-hidden="true" {...common}>
          <circle cx="6" cy="6" r="4" {...line} />
          <path d="M2.5 9.5l7-7" {...line} />
        </svg>
      );
    case "tick":
      return (
        <svg aria-hidden="true" {...common}>
          <path d="M1.8 6.4 4.6 9.2 10.2 2.8" {...line} strokeLinecap="round" strokeLinejoin="round" />
        </svg>
      );
    case "octagon":
      return (
        <svg aria-hidden="true" {...common}>
          <path d="M4 .8h4L11.2 4v4L8 11.2H4L.8 8V4z" fill={color} />
          <path d="M4.3 4.3l3.4 3.4M7.7 4.3 4.3 7.7" stroke="var(--lp-surface)" strokeWidth="1.2" />
        </svg>
      );
  }
}

export function ProblemGlyph({ tone }: { tone: "bad" | "warn" }): ReactNode {
  return <Glyph tone={tone} shape={tone === "bad" ? "octagon" : "triangle"} />;
}

export function State({
  tone,
  shape,
  word,
  detail,
}: {
  tone: Tone;
  shape: Shape;
  word: string;
  detail?: string | null;
}): ReactNode {
  return (
    <span className="state">
      <Glyph tone={tone} shape={shape} />
      <span>
        <span style={{ color: tone === "bad" || tone === "warn" ? `var(--${tone}-text)` : undefined }}>
          {word}
        </span>
        {detail ? <span className="dim"> {detail}</span> : null}
      </span>
    </span>
  );
}

interface Labelled<S extends string> {
  state: S;
  detail?: string | null;
}
/** The label of what has one of a few states. */
function Label<S extends string>({
  states,
  state,
  detail,
}: Labelled<S> & { states: Record<S, [Tone, Shape, string]> }): ReactNode {
  const [tone, shape, word] = states[state];
  return <State tone={tone} shape={shape} word={word} detail={detail ?? null} />;
}

const PROJECT: Record<ProjectState, [Tone, Shape, string]> = {
  running: ["ok", "disc", "Running"],
  starting: ["busy", "arc", "Starting"],
  stopping: ["busy", "arc", "Stopping"],
  moving: ["busy", "arc", "Moving"],
  deleting: ["busy", "arc", "Deleting"],
  queued: ["idle", "dots", "Queued"],
  stopped: ["idle", "ring", "Stopped"],
  archived: ["idle", "ring", "Archived"],
  failed: ["bad", "octagon", "Failed"],
  away: ["warn", "struck", "Host away"],
};
export function ProjectStateLabel(props: Labelled<ProjectState>): ReactNode {
  return <Label states={PROJECT} {...props} />;
}

const APP: Record<AppState, [Tone, Shape, string]> = {
  running: ["ok", "disc", "Running"],
  starting: ["busy", "arc", "Starting"],
  stopped: ["idle", "ring", "Stopped"],
  failed: ["bad", "octagon", "Failed"],
};
export function AppStateLabel(props: Labelled<AppState>): ReactNode {
  return <Label states={APP} {...props} />;
}

const HOST: Record<HostState, [Tone, Shape, string]> = {
  ready: ["ok", "disc", "Ready"],
  pairing: ["busy", "arc", "Joining"],
  bootstrapping: ["busy", "arc", "Joining"],
  degraded: ["warn", "triangle", "Degraded"],
  offline: ["warn", "struck", "Away"],
  deprovisioning: ["busy", "arc", "Leaving"],
  gone: ["idle", "ring", "Gone"],
};
export function HostStateLabel(props: Labelled<HostState>): ReactNode {
  return <Label states={HOST} {...props} />;
}

const CHECK: Record<Check["status"], [Tone, Shape, string]> = {
  ok: ["ok", "disc", "Good"],
  warn: ["warn", "triangle", "Warning"],
  fail: ["bad", "octagon", "Failing"],
  unknown: ["idle", "dashed", "Unknown"],
  skipped: ["idle", "ring", "Not needed"],
};
export function CheckGlyph({ status }: { status: Check["status"] }): ReactNode {
  const [tone, shape, word] = CHECK[status];
  return (
    <span role="img" aria-label={word} title={word} className="state">
      <Glyph tone={tone} shape={shape} />
    </span>
  );
}

const STEP: Record<Step["state"], [Tone, Shape, string]> = {
  pending: ["idle", "ring", "not yet"],
  running: ["busy", "arc", "under way"],
  done: ["ok", "tick", "done"],
  failed: ["bad", "octagon", "failed"],
  skipped: ["idle", "ring", "skipped"],
};
export function StepGlyph({ state }: { state: Step["state"] }): ReactNode {
  const [tone, shape, word] = STEP[state];
  return (
    <span role="img" aria-label={word} className="state">
      <Glyph tone={tone} shape={shape} />
    </span>
  );
}
