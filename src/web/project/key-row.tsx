/** Keys that a phone's keyboard lacks; shown on touch screens alone. */
import { type ReactNode, useState } from "react";

const KEYS: [label: string, bytes: string][] = [
  ["Esc", "\x1b"],
  ["Tab", "\t"],
  ["←", "\x1b[D"],
  ["↓", "\x1b[B"],
  ["↑", "\x1b[A"],
  ["→", "\x1b[C"],
  ["|", "|"],
  ["~", "~"],
];
const CONTROL: [label: string, bytes: string][] = [
  ["C", "\x03"],
  ["D", "\x04"],
  ["Z", "\x1a"],
  ["L", "\x0c"],
  ["R", "\x12"],
];

export function KeyRow({ type }: { type: (keys: string) => void }): ReactNode {
  const [control, setControl] = useState(false);
  const button = (label: string, keys: string, name?: string) => (
    <button
      key={label}
      type="button"
      aria-label={name}
      // The terminal keeps the focus, and with it the phone's keyboard.
      onPointerDown={(event) => event.preventDefault()}
      onClick={() => {
        type(keys);
        setControl(false);
      }}
    >
      {label}
    </button>
  );
  return (
    <div className="key-row" role="toolbar" aria-label="Keys">
      <button
        type="button"
        aria-pressed={control}
        onPointerDown={(event) => event.preventDefault()}
        onClick={() => setControl((now) => !now)}
      >
        Ctrl
      </button>
      {control
        ? CONTROL.map(([label, keys]) => button(label, keys, `Ctrl ${label}`))
        : KEYS.map(([label, keys]) => button(label, keys))}
    </div>
  );
}
