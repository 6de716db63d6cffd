/** What listens in the project, each with a button that opens it in a tab of its own. */
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { Me } from "../../contract/api.ts";
import { callProject } from "../../contract/project-client.ts";
import { visible } from "../components/format.ts";
import { Icon } from "../components/icons.tsx";
import type { HostConnection } from "../sockets/host-sockets.ts";

const REFRESH_MS = 1_500;

export function Ports({
  host,
  projectId,
  me,
}: {
  host: HostConnection;
  projectId: string;
  me: Me;
}): ReactNode {
  const ports = useQuery({
    queryKey: ["ports", projectId],
    queryFn: async () => (await callProject(host.client, projectId, "ports", {})).ports,
    refetchInterval: REFRESH_MS,
  });
  const unique = [...new Map((ports.data ?? []).map((one) => [one.port, one])).values()].sort(
    (a, b) => a.port - b.port,
  );
  const program = (command: string) => visible(command.split(/\s+/)[0]?.split("/").pop() ?? "");
  return (
    <footer className="ws-foot">
      <span>Listening</span>
      {unique.map((one) => (
        <a
          key={one.port}
          className="port"
          href={`/${projectId}/proxy/${one.port}/`}
          target="_blank"
          rel="noopener noreferrer"
          title={visible(one.command)}
        >
          {program(one.command)} <span className="mono">:{one.port}</span> <Icon name="open" size={12} />
        </a>
      ))}
      {unique.length === 0 ? <span>nothing; a web server you start in a terminal shows up here</span> : null}
      <span style={{ flex: 1 }} />
      <span>{me.hub.name}</span>
      <span>{host.client.rtt === undefined ? "" : `Round trip ${host.client.rtt.toFixed(1)} ms`}</span>
    </footer>
  );
}
