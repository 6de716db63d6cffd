/** Sizes as people type and read them, in binary units. */
import { CodedError, EX } from "./errors.ts";

const UNITS = ["", "K", "M", "G", "T"];

/** `20G`, `512M`, `1.5T`; `GiB` and `GB` mean the same as `G`. Bytes. Error: `size.unclear`. Pure. */
export function parseSize(text: string): number {
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(text.trim()) ?? [];
  if (number === undefined) {
    throw new CodedError({
      code: "size.unclear",
      title: `${JSON.stringify(text)} is no size`,
      fix: "Write it as 20G, 512M or 1.5T.",
      exit: EX.USAGE,
    });
  }
  return Math.round(Number(number) * 1024 ** UNITS.indexOf(unit.toUpperCase()));
}

export function sizeText(bytes: number): string {
  let unit = 0;
  let value = bytes;
  for (; value >= 1024 && unit < UNITS.length - 1; unit += 1) value /= 1024;
  return unit === 0 ? `${value} B` : `${value.toFixed(1)} ${UNITS[unit]}iB`;
}
