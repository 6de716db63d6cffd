/** The runtime `process` for a host of several projects, each with a directory of its own and nothing between them. */
import { join } from "node:path";
import type { HostPaths } from "../../core/paths.ts";
import type { Helper } from "../helper/client.ts";
import { createProcessRuntime } from "./runtime.ts";

/** The flag of every command that must know. */
export const runtimeFlag = {
  type: "enum" as const,
  options: ["podman", "process"],
  description: "podman (default), or process: no containers, so every project can read all others",
};

export function plainRuntime(paths: HostPaths): Helper {
  return createProcessRuntime({
    run: paths.run,
    home: (id) => join(paths.dir, "storage/plain", id),
    usersOwn: false,
    agent: [process.execPath, "agent"],
  });
}
