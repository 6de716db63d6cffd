import { resolve } from "node:path";

/**
 * A path as the project means it: relative to home, `~` is home, absolute stays. There is no jail: the agent has
 * the project's own rights and nothing else.
 */
export function resolvePath(home: string, path: string): string {
  if (path === "~" || path.startsWith("~/")) return resolve(home, `.${path.slice(1)}`);
  return resolve(home, path);
}
