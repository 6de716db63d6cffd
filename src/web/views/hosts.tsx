import { Button, Drawer, Modal, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import { useLocation } from "wouter";
import type { Host, JoinTokenCreated } from "../../contract/api.ts";
import { api, keys, queryClient } from "../api.ts";
import { Checklist, CommandBlock, ErrorBlock, PageHead, ProblemBlock } from "../components/blocks.tsx";
import { ago, bytes, plural, visible } from "../components/format.ts";
import { Icon } from "../components/icons.tsx";
import { HostStateLabel } from "../components/state.tsx";

/** RTT and load move without an event of their own. */
const REFRESH_MS = 5_000;

export default function HostsView({ selected }: { selected?: string }): ReactNode {
  const hosts = useQuery({ queryKey: keys.hosts, queryFn: api.hosts.list, refetchInterval: REFRESH_MS });
  const [adding, setAdding] = useState(false);
  const [, go] = useLocation();
  const all = hosts.data ?? [];
  const chosen = all.find((one) => one.host_id === selected);
  const ready = all.filter((one) => one.state === "ready").length;
  const away = all.filter((one) => one.state === "offline").length;
  return (
    <>
      <PageHead
        title="Hosts"
        note={all.length > 0 ? `${ready} ready${away > 0 ? `, ${away} away` : ""}` : undefined}
      >
        <Button leftSection={<Icon name="plus" />} onClick={() => setAdding(true)}>
          Add a machine
        </Button>
      </PageHead>
      <div className="body">
        <ErrorBlock error={hosts.error} />
        {all.flatMap((one) =>
          one.problem
            ? [
                <ProblemBlock
                  key={one.host_id}
                  tone="warn"
                  problem={{ ...one.problem, title: `${one.name}: ${one.problem.title}` }}
                />,
              ]
            : [],
        )}
      </div>
      {all.length > 0 ? (
        <table className="list">
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
              <HostRow key={host.host_id} host={host} open={() => go(`/hosts/${host.host_id}`)} />
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
      {chosen ? <HostDrawer host={chosen} close={() => go("/hosts")} /> : null}
      <AddMachine opened={adding} close={() => setAdding(false)} />
    </>
  );
}

function Meter({ share }: { share: number }): ReactNode {
  const percent = Math.min(100, Math.max(0, share * 100));
  const color = percent >= 95 ? "var(--bad)" : percent >= 85 ? "var(--warn)" : "var(--idle)";
  return (
    <div className="meter" aria-hidden="true">
      <i style={{ width: `${percent}%`, background: color }} />
    </div>
  );
}

/** Round trips of the last hour; a gap is where no echo came back. */
function Sparkline({ values }: { values: (number | null)[] }): ReactNode {
  const known = values.filter((value): value is number => value !== null);
  const top = Math.max(...known, 1);
  const x = (index: number) => 80 - (values.length - 1 - index) * (80 / 60);
  return (
    <svg width="80" height="18" viewBox="0 0 80 18" aria-hidden="true">
      {values.map((value, minute) =>
        value === null ? (
          <rect key={x(minute)} x={x(minute)} y="0" width="1.4" height="18" fill="var(--bad-line)" />
        ) : (
          <rect
            key={x(minute)}
            x={x(minute)}
            y={16 - (value / top) * 14}
            width="1.2"
            height={(value / top) * 14 + 2}
            fill="var(--lp-accent)"
          />
        ),
      )}
    </svg>
  );
}

function HostRow({ host, open }: { host: Host; open: () => void }): ReactNode {
  const { report, tunnel } = host;
  const used = report ? report.memory.total_bytes - report.memory.available_bytes : 0;
  return (
    <tr className="link" onClick={open}>
      <td>
        <a
          href={`/hosts/${host.host_id}`}
          onClick={(event) => {
            event.preventDefault();
            open();
          }}
        >
          <bdi>{visible(host.name)}</bdi>
        </a>
        <div className="sub">
          {host.type.kind === "local" ? "the hub's own machine" : (report?.facts.os ?? "another machine")}
        </div>
      </td>
      <td>
        <HostStateLabel state={host.state} />
        <div className="sub">since {ago(host.state_since)}</div>
      </td>
      <td>
        {tunnel.state === "none" ? (
          <span className="dim">no tunnel needed</span>
        ) : (
          <span className="row">
            <Sparkline values={tunnel.history_ms} />
            {tunnel.state === "up" ? (
              `${tunnel.rtt_ms?.toFixed(1)} ms`
            ) : (
              <span style={{ color: "var(--warn-text)" }}>no echo</span>
            )}
          </span>
        )}
      </td>
      <td>
        {report ? (
          <>
            {((report.load.cpu_percent / 100) * report.facts.cpus).toFixed(1)} of {report.facts.cpus}
            <Meter share={report.load.cpu_percent / 100} />
          </>
        ) : (
          "unknown"
        )}
      </td>
      <td>
        {report ? (
          <>
            {bytes(used)} of {bytes(report.memory.total_bytes)}
            <Meter share={used / report.memory.total_bytes} />
          </>
        ) : (
          "unknown"
        )}
      </td>
      <td>
        {report ? (
          <>
            {bytes(report.storage.free_bytes)} free
            <Meter share={1 - report.storage.free_bytes / report.storage.total_bytes} />
          </>
        ) : (
          "unknown"
        )}
      </td>
      <td>{report ? `${report.projects.running} running of ${report.projects.total}` : "unknown"}</td>
      <td className="mono">{report?.version ?? "unknown"}</td>
    </tr>
  );
}

function HostDrawer({ host, close }: { host: Host; close: () => void }): ReactNode {
  const [name, setName] = useState(host.name);
  const rename = useMutation({ mutationFn: () => api.hosts.rename(host.host_id, name) });
  const revoke = useMutation({ mutationFn: () => api.hosts.revoke(host.host_id) });
  const forget = useMutation({ mutationFn: () => api.hosts.forget(host.host_id), onSuccess: close });
  return (
    <Drawer
      opened
      onClose={close}
      position="right"
      size={520}
      title={visible(host.name)}
      withOverlay={false}
      lockScroll={false}
      trapFocus={false}
    >
      <div className="stack">
        <HostStateLabel state={host.state} />
        {host.problem ? <ProblemBlock problem={host.problem} tone="warn" /> : null}
        <ErrorBlock error={rename.error ?? revoke.error ?? forget.error} />
        <h2>Joining</h2>
        <Checklist steps={host.checklist} />
        <h2>Tunnel</h2>
        <div>
          {host.tunnel.state === "none"
            ? "Hub and host are one machine."
            : `${host.tunnel.state}, ${host.tunnel.rtt_ms?.toFixed(1) ?? "–"} ms round trip, last echo ${ago(host.tunnel.last_echo_at)}`}
          <div className="dim">
            Port {host.http_port} on the hub's loopback, public SSH port {host.ssh_port}
          </div>
          <div className="mono">{host.key_fingerprint}</div>
        </div>
        {host.report ? (
          <>
            <h2>Machine</h2>
            <div>
              {host.report.facts.os}, kernel {host.report.facts.kernel},{" "}
              {plural(host.report.facts.cpus, "CPU")}
              <div className="dim">
                Reported {ago(host.report_at)}; runs projects with {host.report.runtime.kind}
                {host.report.runtime.helper ? "" : ", without a helper"}
              </div>
              {host.report.storage.kind === "directory" ? (
                <div className="dim">Projects are plain directories here: no quotas and no snapshots.</div>
              ) : null}
            </div>
          </>
        ) : null}
        <h2>Name</h2>
        <div className="row">
          <TextInput
            aria-label="Name of the host"
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <Button variant="default" onClick={() => rename.mutate()} loading={rename.isPending}>
            Rename
          </Button>
        </div>
        {host.type.kind === "self-host" ? (
          <>
            <h2>Leave</h2>
            <div className="row">
              <Button variant="default" onClick={() => revoke.mutate()} loading={revoke.isPending}>
                Revoke its key
              </Button>
              <Button color="red" variant="light" onClick={() => forget.mutate()} loading={forget.isPending}>
                Forget this host
              </Button>
            </div>
          </>
        ) : null}
      </div>
    </Drawer>
  );
}

function AddMachine({ opened, close }: { opened: boolean; close: () => void }): ReactNode {
  const [token, setToken] = useState<JoinTokenCreated>();
  const [, tick] = useState(0);
  const create = useMutation({ mutationFn: api.joinTokens.create, onSuccess: setToken });
  const tokens = useQuery({ queryKey: keys.tokens, queryFn: api.joinTokens.list, enabled: opened });
  const hosts = useQuery({
    queryKey: keys.hosts,
    queryFn: api.hosts.list,
    enabled: opened,
    refetchInterval: REFRESH_MS,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: one token for each opening
  useEffect(() => {
    if (!opened) return;
    setToken(undefined);
    create.mutate();
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => {
      clearInterval(timer);
      void queryClient.invalidateQueries({ queryKey: keys.tokens });
    };
  }, [opened]);
  const left = token ? Math.max(0, Math.round((Date.parse(token.expires_at) - Date.now()) / 1000)) : 0;
  const used = tokens.data?.find((one) => one.token_id === token?.token_id);
  const host = hosts.data?.find((one) => one.host_id === used?.used_by_host_id);
  return (
    <Modal opened={opened} onClose={close} title="Add a machine" size="lg">
      <div className="stack">
        <ErrorBlock error={create.error} />
        {token ? (
          <>
            <CommandBlock where="Run on the new machine, as root or with sudo" command={token.line} />
            <p className="dim" style={{ margin: 0 }}>
              {used?.used_at
                ? `Used by ${host?.name ?? "a machine"} at ${new Date(used.used_at).toLocaleTimeString()}`
                : `Works once, for one machine, for ${Math.floor(left / 60)} min ${left % 60} s. It needs no open port there.`}
            </p>
          </>
        ) : null}
        {host ? (
          <>
            <h2>{visible(host.name)}</h2>
            <Checklist steps={host.checklist} />
          </>
        ) : null}
        {host?.problem ? <ProblemBlock problem={host.problem} tone="warn" /> : null}
        {host?.state === "ready" ? <p>It is ready: new projects can run on it.</p> : null}
      </div>
    </Modal>
  );
}
