/**
 * A path as the project means it: relative to home, `~` is home, absolute stays. There is no jail: the agent has the
 * project's own rights and nothing else. Not node:path: Bun's turns names that are no UTF-8 (path-bytes.ts) into others.
 */
export function resolvePath(home: string, path: string): string {
  const from = path === "~" || path.startsWith("~/") ? `${home}/${path.slice(1)}` : path;
  const parts: string[] = [];
  for (const part of (from.startsWith("/") ? from : `${home}/${from}`).split("/")) {
    if (part === "" || part === ".") continue;
    if (part === "..") parts.pop();
    else parts.push(part);
  }
  return `/${parts.join("/")}`;
}

/** Of an absolute path. */
export function folderOf(path: string): string {
  const at = path.lastIndexOf("/");
  return at <= 0 ? "/" : path.slice(0, at);
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

export function joinPath(folder: string, name: string): string {
  return folder === "/" ? `/${name}` : `${folder}/${name}`;
}
