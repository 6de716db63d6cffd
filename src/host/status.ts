/** `cocalc-project-host status`: what this machine knows of its hub, its tunnel and its key. */
import { readFileSync } from "node:fs";
import { command, common, print } from "../core/cli.ts";
import { hostPaths } from "../core/paths.ts";
import { fingerprint } from "../core/ssh-keys.ts";
import type { ConnectorState } from "./connector/command.ts";
import { hostKey, readHostState } from "./state.ts";

export default command({
  meta: { name: "status", description: "This machine's hub, tunnel and key" },
  args: common,
  run({ args }) {
    const paths = hostPaths(args["data-dir"]);
    const state = readHostState(paths);
    let connector: ConnectorState | null = null;
    try {
      connector = JSON.parse(readFileSync(paths.connectorState, "utf8")) as ConnectorState;
    } catch {
      // the connector never ran
    }
    const status = {
      paired: state !== undefined,
      host_id: state?.host_id ?? null,
      name: state?.name ?? null,
      hub: state ? `${state.addresses[0]}:${state.https_port}` : null,
      key_fingerprint: state ? fingerprint(hostKey(paths).publicLine) : null,
      connector,
    };
    print(args, status, (value) =>
      [
        `paired  ${value.paired ? `${value.name} (${value.host_id})` : "no"}`,
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
