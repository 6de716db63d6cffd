/**
 * Keys of the whole page. Single letters work outside fields alone, and a terminal gets every key: there they are
 * the program's.
 */
import { useEffect, useRef } from "react";

/** A second letter counts this long after the first (`G P`). */
const SEQUENCE_MS = 1_000;

export type KeyMap = Record<string, () => void>;

/** `Ctrl+K` (⌘ on a Mac), `Alt+1`, `Ctrl+Shift+Backquote`, `/`, `?`, `G P`: what a press is called. */
export function nameOfPress(
  event: Pick<KeyboardEvent, "key" | "code" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">,
): string {
  const held = event.ctrlKey || event.metaKey || event.altKey;
  if (!held) return event.key.length === 1 ? event.key.toUpperCase() : event.key;
  const digit = /^Digit([0-9])$/.exec(event.code)?.[1];
  const key =
    event.code === "Backquote"
      ? "Backquote"
      : (digit ?? (event.key.length === 1 ? event.key.toUpperCase() : event.key));
  return [
    event.ctrlKey || event.metaKey ? "Ctrl+" : "",
    event.altKey ? "Alt+" : "",
    event.shiftKey ? "Shift+" : "",
    key,
  ].join("");
}

function place(target: EventTarget | null): "page" | "field" | "terminal" {
  if (!(target instanceof Element)) return "page";
  if (target.closest(".xterm")) return "terminal";
  return target.closest("input, textarea, select, [contenteditable='true']") ? "field" : "page";
}

export function useKeys(map: KeyMap): void {
  const now = useRef(map);
  now.current = map;
  useEffect(() => {
    let before = "";
    let beforeAt = 0;
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing) return;
      const where = place(event.target);
      if (where === "terminal") return;
      const press = nameOfPress(event);
      const single = !(event.ctrlKey || event.metaKey || event.altKey);
      if (single && (where === "field" || document.querySelector('[role="dialog"]') !== null)) return;
      const sequence = event.timeStamp - beforeAt < SEQUENCE_MS ? `${before} ${press}` : press;
      before = press;
      beforeAt = event.timeStamp;
      const run = now.current[sequence] ?? now.current[press];
      if (run === undefined) return;
      before = "";
      event.preventDefault();
      run();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
}
