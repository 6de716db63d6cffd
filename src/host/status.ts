/** `cocalc-project-host status`: what this machine knows of its hub, its tunnel and its key. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { command, common, print } from "../core/cli.ts";
import { hostPaths } from "../core/paths.ts";
import { isRoot } from "../core/service-users.ts";
import { fingerprint } from "../core/ssh-keys.ts";
import type { ConnectorState } from "./connector/command.ts";
import { HOST_USER } from "./join/command.ts";
import { hostKey, readHostState } from "./state.ts";

/** Where `join` and `up` keep their state when root starts them without --data-dir. */
function serviceDataDir(): string | undefined {
  if (!isRoot()) return undefined;
  const entry = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((line) => line.startsWith(`${HOST_USER.name}:`));
  const home = entry?.split(":")[5];
  return home === undefined ? undefined : join(home, ".local/share/cocalc");
}

/** Whether the `up` that wrote its name into the lock still lives; the lock itself is not touched. */
function isRunning(lock: string): boolean {
  try {
    const { pid } = JSON.parse(readFileSync(lock, "utf8")) as { pid: number };
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes("up");
  } catch {
    return false; // never started, or gone
  }
}

export default command({
  meta: { name: "status", description: "This machine's hub, tunnel and key" },
  args: common,
  run({ args }) {
    const paths = hostPaths(args["data-dir"] ?? serviceDataDir());
    const state = readHostState(paths);
    let connector: ConnectorState | null = null;
    try {
      connector = JSON.parse(readFileSync(paths.connectorState, "utf8")) as ConnectorState;
    } catch {
      // the connector never ran
    }
    const status = {
      paired: state !== undefined,
      running: isRunning(join(paths.run, "up.lock")),
      host_id: state?.host_id ?? null,
      name: state?.name ?? null,
      hub: state ? `${state.addresses[0]}:${state.https_port}` : null,
      key_fingerprint: state ? fingerprint(hostKey(paths).publicLine) : null,
      connector,
    };
    print(args, status, (value) =>
      [
        `paired  ${value.paired ? `${value.name} (${value.host_id})` : "no"}`,
        `runs    ${value.running ? "yes" : "no"}`,
        `hub     ${value.hub ?? ""}`,
        `key     ${value.key_fingerprint ?? ""}`,
        `tunnel  ${value.connector?.state ?? "the connector never ran"}`,
        ...(value.connector?.problem
          ? [`problem ${value.connector.problem.title}: ${value.connector.problem.why ?? ""}`]
          : []),
      ].join("\n"),
    );
  },
});
