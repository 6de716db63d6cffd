/** Small pictures of numbers. The number itself always stands beside them. */
import type { ReactNode } from "react";

const AMBER_PERCENT = 85;
const RED_PERCENT = 95;

/** `share`: 0 to 1. */
export function Meter({ share }: { share: number }): ReactNode {
  const percent = Math.min(100, Math.max(0, share * 100));
  const tone = percent >= RED_PERCENT ? "bad" : percent >= AMBER_PERCENT ? "warn" : "idle";
  return (
    <div className="meter" aria-hidden="true">
      <i style={{ width: `${percent}%`, background: `var(--${tone})` }} />
    </div>
  );
}

/** Minutes that the picture is wide. */
const MINUTES = 60;

/** Line pieces between gaps, as SVG paths; pure, for its test. */
export function linePieces(values: (number | null)[], width: number, height: number): string[] {
  const top = Math.max(...values.map((value) => value ?? 0), 1) * 1.15;
  const step = width / (MINUTES - 1);
  const left = width - (values.length - 1) * step;
  const pieces: string[] = [];
  let piece = "";
  for (const [minute, value] of values.entries()) {
    if (value === null) {
      if (piece !== "") pieces.push(piece);
      piece = "";
      continue;
    }
    const x = (left + minute * step).toFixed(1);
    const y = (height - 1 - (value / top) * (height - 2)).toFixed(1);
    // A single minute between two gaps is still seen.
    piece += piece === "" ? `M${x} ${y}h.1` : `L${x} ${y}`;
  }
  if (piece !== "") pieces.push(piece);
  return pieces;
}

/** Round trips of the last hour. A gap is where no echo came back; before it existed there is nothing. */
export function Sparkline({
  values,
  width = 84,
  height = 18,
}: {
  values: (number | null)[];
  width?: number;
  height?: number;
}): ReactNode {
  const shown = values.slice(-MINUTES);
  const step = width / (MINUTES - 1);
  const left = width - (shown.length - 1) * step;
  return (
    <svg
      width={width}
      height={height}
      viewBox={`0 0 ${width} ${height}`}
      aria-hidden="true"
      style={{ flex: "none" }}
    >
      {shown.map((value, minute) => {
        const x = left + minute * step - step / 2;
        return value === null ? (
          <g key={x}>
            <rect x={x} width={step + 0.3} height={height} fill="var(--bad-soft)" />
            <rect x={x} y={height - 2} width={step + 0.3} height="2" fill="var(--bad)" />
          </g>
        ) : null;
      })}
      {linePieces(shown, width, height).map((path) => (
        <path
          key={path}
          d={path}
          fill="none"
          stroke="var(--lp-accent)"
          strokeWidth="1.4"
          strokeLinecap="round"
          strokeLinejoin="round"
        />
      ))}
    </svg>
  );
}
