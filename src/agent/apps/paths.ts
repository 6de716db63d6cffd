/** Where apps keep what outlives the agent; loads nothing, for the agent looks here at its start. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

export function appsDir(home: string): string {
  return join(home, ".cache/cocalc/apps");
}

/** Names of apps that an earlier agent left running, or said it did. */
export function leftBehind(home: string): string[] {
  if (!existsSync(appsDir(home))) return [];
  return readdirSync(appsDir(home))
    .filter((file) => file.endsWith(".json"))
    .map((file) => file.slice(0, -".json".length));
}
