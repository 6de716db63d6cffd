/** Which rows of a list are chosen, as file managers have it. Pure. */
export interface Selection {
  paths: ReadonlySet<string>;
  /** The one that keys act on, and where a range begins. */
  current: string;
  anchor: string;
}
export const NOTHING: Selection = { paths: new Set(), current: "", anchor: "" };

export function selectOne(path: string): Selection {
  return { paths: new Set([path]), current: path, anchor: path };
}

/** Ctrl: in or out. */
export function toggle(now: Selection, path: string): Selection {
  const paths = new Set(now.paths);
  if (!paths.delete(path)) paths.add(path);
  return { paths, current: path, anchor: path };
}

/** Shift: all from the anchor to here, in the order that is shown. */
export function selectTo(now: Selection, path: string, shown: readonly string[]): Selection {
  const from = shown.indexOf(now.anchor);
  const to = shown.indexOf(path);
  if (from < 0 || to < 0) return selectOne(path);
  return {
    paths: new Set(shown.slice(Math.min(from, to), Math.max(from, to) + 1)),
    current: path,
    anchor: now.anchor,
  };
}

/** What a thing that is done to one row is done to: all that are chosen if it is among them, else it alone. */
export function actedOn(now: Selection, path: string): string[] {
  return now.paths.has(path) ? [...now.paths] : [path];
}

/** Without what lies below another one of them: that goes along. */
export function topmost(paths: readonly string[]): string[] {
  return paths.filter((path) => !paths.some((other) => other !== path && path.startsWith(`${other}/`)));
}
