/** The machines that run projects. */
import { Button } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Link, useLocation } from "wouter";
import type { Host, JoinToken } from "../../contract/api.ts";
import { api, keys } from "../api.ts";
import { ErrorBlock, PageHead, ProblemBlock } from "../components/blocks.tsx";
import { ago, bytes, plural, visible } from "../components/format.ts";
import { Icon } from "../components/icons.tsx";
import { useKeys } from "../components/keys.ts";
import { Meter, Sparkline } from "../components/meters.tsx";
import { HostStateLabel } from "../components/state.tsx";
import { AddMachine } from "./add-machine.tsx";
import { NotYetHosts } from "./add-over-ssh.tsx";
import { HostDrawer } from "./host-drawer.tsx";
import { GoneHosts } from "./host-leaving.tsx";
import { isBehind, UpgradeAll, useHubVersion } from "./host-version.tsx";

/** Round trips and load move without an event of their own. */
const REFRESH_MS = 5_000;

const JOINING = ["pairing", "bootstrapping"];

export default function HostsView({ selected }: { selected?: string }): ReactNode {
  const hosts = useQuery({ queryKey: keys.hosts, queryFn: api.hosts.list, refetchInterval: REFRESH_MS });
  const tokens = useQuery({ queryKey: keys.tokens, queryFn: api.joinTokens.list });
  const [, go] = useLocation();
  const adding = selected === "new";
  const add = () => go("/hosts/new");
  useKeys({ N: add });
  const all = (hosts.data ?? []).filter((one) => one.state !== "gone");
  const chosen = hosts.data?.find((one) => one.host_id === selected);
  const counted = [
    [all.filter((one) => one.state === "ready").length, "ready"],
    [all.filter((one) => JOINING.includes(one.state)).length, "joining"],
    [all.filter((one) => one.state === "degraded").length, "degraded"],
    [all.filter((one) => one.state === "offline").length, "away"],
  ] as const;
  const note = counted.flatMap(([count, word]) => (count > 0 ? [`${count} ${word}`] : [])).join(", ");
  const open = (tokens.data ?? []).filter(
    (one) => !one.revoked && one.used_at === null && Date.parse(one.expires_at) > Date.now(),
  );
  return (
    <div className={chosen ? "beside" : undefined}>
      <PageHead title="Hosts" note={note}>
        <UpgradeAll hosts={all} />
        <Button leftSection={<Icon name="plus" />} onClick={add}>
          Add a machine
        </Button>
      </PageHead>
      <div className="body problems">
        <ErrorBlock error={hosts.data ? undefined : hosts.error} />
        {all.map((one) =>
          one.problem ? (
            <ProblemBlock
              key={one.host_id}
              tone="warn"
              problem={{ ...one.problem, title: `${visible(one.name)}: ${one.problem.title}` }}
            />
          ) : null,
        )}
      </div>
      {all.length > 0 ? (
        <table className="list hosts">
          <thead>
            <tr>
              <th>Host</th>
              <th>State</th>
              <th>Tunnel, last hour</th>
              <th>CPU</th>
              <th>Memory</th>
              <th>Disk</th>
              <th>Projects</th>
              <th>Version</th>
            </tr>
          </thead>
          <tbody>
            {all.map((host) => (
              <HostRow key={host.host_id} host={host} selected={host.host_id === selected} />
            ))}
          </tbody>
        </table>
      ) : null}
      {hosts.data && all.length === 0 ? (
        <div className="empty">
          <h2>No hosts yet</h2>
          <p>A host is a machine that runs projects. The hub's own joins by itself within seconds.</p>
        </div>
      ) : null}
      {open.length > 0 ? (
        <section className="body" aria-label="Lines not used yet">
          <h2 style={{ padding: "24px 0 4px" }}>Lines not used yet</h2>
          {open.map((token) => (
            <OpenToken key={token.token_id} token={token} />
          ))}
        </section>
      ) : null}
      <NotYetHosts />
      <GoneHosts />
      {chosen ? <HostDrawer key={chosen.host_id} host={chosen} close={() => go("/hosts")} /> : null}
      <AddMachine opened={adding} close={() => go("/hosts")} />
    </div>
  );
}

function OpenToken({ token }: { token: JoinToken }): ReactNode {
  const [shown, setShown] = useState(true);
  const revoke = useMutation({
    mutationFn: () => api.joinTokens.revoke(token.token_id),
    onSuccess: () => setShown(false),
  });
  if (!shown) return null;
  return (
    <div className="check-row">
      <span>Made {ago(token.created_at)}</span>
      <span className="dim">works once, until {new Date(token.expires_at).toLocaleTimeString()}</span>
      <span style={{ flex: 1 }} />
      <ErrorBlock error={revoke.error} />
      <Button
        size="xs"
        variant="default"
        loading={revoke.isPending}
        onClick={() => revoke.mutate()}
        aria-label={`Revoke the line made ${ago(token.created_at)}`}
      >
        Revoke
      </Button>
    </div>
  );
}

function HostRow({ host, selected }: { host: Host; selected: boolean }): ReactNode {
  const { report, tunnel } = host;
  const [, go] = useLocation();
  const hub = useHubVersion();
  const href = `/hosts/${host.host_id}`;
  const used = report ? report.memory.total_bytes - report.memory.available_bytes : 0;
  const stale = host.state === "offline" ? <div className="sub">as of {ago(host.report_at)}</div> : null;
  const done = host.checklist.filter((step) => step.state === "done").length;
  const joining = JOINING.includes(host.state);
  return (
    <tr className="link" aria-selected={selected || undefined} onClick={() => go(href)}>
      <td>
        <Link href={href} className="strong" onClick={(event) => event.stopPropagation()}>
          <bdi>{visible(host.name)}</bdi>
        </Link>
        <div className="sub">
          {host.type.kind === "local" ? "the hub's own machine" : (report?.facts.os ?? "another machine")}
        </div>
      </td>
      <td>
        <HostStateLabel state={host.state} {...(host.draining ? { detail: "drained" } : {})} />
        <div className="sub under">
          {joining ? `${done} of ${host.checklist.length}` : `since ${ago(host.state_since)}`}
        </div>
      </td>
      <td>
        {tunnel.state === "none" ? (
          <span className="dim">no tunnel</span>
        ) : (
          <span className="row">
            <Sparkline values={tunnel.history_ms} />
            {tunnel.state === "up" ? (
              `${tunnel.rtt_ms?.toFixed(1) ?? "–"} ms`
            ) : (
              <span className="warn-text">{tunnel.state === "never" ? "not yet" : "no echo"}</span>
            )}
          </span>
        )}
      </td>
      <td>
        {report && !stale ? (
          <>
            {((report.load.cpu_percent / 100) * report.facts.cpus).toFixed(1)} of {report.facts.cpus}
            <Meter share={report.load.cpu_percent / 100} />
          </>
        ) : (
          <span className="dim">unknown</span>
        )}
      </td>
      <td>
        {report && !stale ? (
          <>
            {bytes(used)} of {bytes(report.memory.total_bytes)}
            <Meter share={used / report.memory.total_bytes} />
          </>
        ) : (
          <span className="dim">unknown</span>
        )}
      </td>
      <td>
        {report ? (
          <>
            {bytes(report.storage.free_bytes)} free
            {stale ?? <Meter share={1 - report.storage.free_bytes / report.storage.total_bytes} />}
          </>
        ) : (
          <span className="dim">unknown</span>
        )}
      </td>
      <td>
        {report
          ? stale
            ? `${plural(report.projects.total, "project")}, unreachable`
            : `${report.projects.running} of ${report.projects.total} running`
          : "unknown"}
      </td>
      <td className="mono">
        {report?.version ?? "unknown"}
        {isBehind(host, hub) ? <div className="sub warn-text">hub: {hub}</div> : null}
      </td>
    </tr>
  );
}
