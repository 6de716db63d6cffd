/** `cocalc-project-host status`: what this machine knows of its hub, its tunnel and its key. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { command, common, print } from "../core/cli.ts";
import { hostPaths } from "../core/paths.ts";
import { fingerprint } from "../core/ssh-keys.ts";
import { type CommandRecord, lastCommand } from "./commands/journal.ts";
import type { ConnectorState } from "./connector/command.ts";
import { serviceDataDir } from "./service-dir.ts";
import { knownHostKey, readHostState } from "./state.ts";

/** Whether the `up` that wrote its name into the lock still lives; the lock itself is not touched. */
function isRunning(lock: string): boolean {
  try {
    const { pid } = JSON.parse(readFileSync(lock, "utf8")) as { pid: number };
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes("up");
  } catch {
    return false; // never started, or gone
  }
}

const commandLine = ({ kind, version, state, received_at, problem }: CommandRecord) =>
  `${kind}${version ? ` to ${version}` : ""} of ${received_at}: ${state}${problem ? ` (${problem.code})` : ""}`;

export default command({
  meta: { name: "status", description: "This machine's hub, tunnel and key" },
  args: common,
  run({ args }) {
    const paths = hostPaths(args["data-dir"] ?? serviceDataDir());
    const state = readHostState(paths);
    const key = knownHostKey(paths);
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
      key_fingerprint: key === undefined ? null : fingerprint(key),
      connector,
      last_command: lastCommand(join(paths.dir, "commands")) ?? null,
    };
    print(args, status, (value) =>
      [
        `paired  ${value.paired ? `${value.name} (${value.host_id})` : "no"}`,
        `runs    ${value.running ? "yes" : "no"}`,
        `hub     ${value.hub ?? ""}`,
        `key     ${value.key_fingerprint ?? ""}`,
        `tunnel  ${value.connector?.state ?? "the connector never ran"}`,
        ...(value.last_command ? [`command ${commandLine(value.last_command)}`] : []),
        ...(value.connector?.problem
          ? [
              `problem ${value.connector.problem.title}  [${value.connector.problem.code}]`,
              `        ${value.connector.problem.why ?? ""}`,
              `fix     ${value.connector.problem.fix ?? ""}`,
            ]
          : []),
      ].join("\n"),
    );
  },
});
