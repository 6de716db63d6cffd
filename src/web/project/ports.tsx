/** The bar at the foot: apps that run and what else listens, each in a tab of its own, and the way to start one. */
import type { ReactNode } from "react";
import { Link } from "wouter";
import type { Me } from "../../contract/api.ts";
import { visible } from "../components/format.ts";
import { Icon } from "../components/icons.tsx";
import type { HostConnection } from "../sockets/host-sockets.ts";
import { programOf, useApps, usePorts } from "./apps/use-apps.ts";

export function Ports({
  host,
  projectId,
  me,
  children,
}: {
  host: HostConnection;
  projectId: string;
  me: Me;
  /** What else is under way in this project. */
  children?: ReactNode;
}): ReactNode {
  const { apps } = useApps(host, projectId);
  const all = apps.data?.apps ?? [];
  const ports = usePorts(host, projectId, all);
  const running = all.filter((one) => one.state === "running" || one.state === "starting");
  return (
    <footer className="ws-foot">
      {running.map((one) => (
        <PortLink
          key={one.name}
          href={`/${projectId}/apps/${one.name}/`}
          title={visible(one.definition.command)}
        >
          <bdi>{visible(one.title)}</bdi>
        </PortLink>
      ))}
      {ports.map((one) => (
        <PortLink key={one.port} href={`/${projectId}/proxy/${one.port}/`} title={visible(one.command)}>
          {visible(programOf(one.command))} <span className="mono">:{one.port}</span>
        </PortLink>
      ))}
      <Link href={`/projects/${projectId}/apps`} className="port">
        <Icon name="plus" size={12} /> Start an app
      </Link>
      <span style={{ flex: 1 }} />
      {children}
      <span>{me.hub.name}</span>
      <span>{host.client.rtt === undefined ? "" : `Round trip ${host.client.rtt.toFixed(1)} ms`}</span>
    </footer>
  );
}

function PortLink({
  href,
  title,
  children,
}: {
  href: string;
  title: string;
  children: ReactNode;
}): ReactNode {
  return (
    <a className="port" href={href} target="_blank" rel="noopener noreferrer" title={title}>
      {children} <Icon name="open" size={12} />
    </a>
  );
}
