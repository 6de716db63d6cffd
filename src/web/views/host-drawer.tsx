/** All about one host, beside the list. */
import { ActionIcon, Button, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useEffect, useRef, useState } from "react";
import type { Host } from "../../contract/api.ts";
import { api, keys, queryClient } from "../api.ts";
import { Checklist, CopyButton, ErrorBlock, ProblemBlock } from "../components/blocks.tsx";
import { askYesNo } from "../components/dialogs.tsx";
import { ago, bytes, plural, visible } from "../components/format.ts";
import { Icon } from "../components/icons.tsx";
import { Meter, Sparkline } from "../components/meters.tsx";
import { HostStateLabel } from "../components/state.tsx";
import { MachineLink } from "./add-over-ssh.tsx";
import { ChangedKeySection } from "./changed-key.tsx";
import { HostBackups } from "./host-backups.tsx";
import { HostFound } from "./host-found.tsx";
import { HostLeaving } from "./host-leaving.tsx";
import { HostSsh } from "./host-ssh.tsx";
import { HostVersion } from "./host-version.tsx";
import { HostVms } from "./host-vms.tsx";

const again = () => queryClient.invalidateQueries({ queryKey: keys.hosts });

export function HostDrawer({ host, close }: { host: Host; close: () => void }): ReactNode {
  const aside = useRef<HTMLElement>(null);
  const leave = useRef(close);
  leave.current = close;
  useEffect(() => {
    const before = document.activeElement;
    aside.current?.focus();
    const onKey = (event: KeyboardEvent) => {
      if (
        event.key === "Escape" &&
        !event.defaultPrevented &&
        document.querySelector('[role="dialog"]') === null
      )
        leave.current();
    };
    document.addEventListener("keydown", onKey);
    return () => {
      document.removeEventListener("keydown", onKey);
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  const { report } = host;
  const name = visible(host.name);
  const steps = host.checklist;
  const joined = steps.length > 0 && steps.every((step) => step.state === "done" || step.state === "skipped");
  return (
    <aside className="drawer" aria-label={name} ref={aside} tabIndex={-1}>
      <header>
        <div className="row">
          <h2 className="drawer-title">
            <bdi>{name}</bdi>
          </h2>
          <span className="pill">
            <HostStateLabel state={host.state} detail={ago(host.state_since)} />
          </span>
          <span style={{ flex: 1 }} />
          <ActionIcon aria-label="Close" onClick={close}>
            <Icon name="close" />
          </ActionIcon>
        </div>
        <div className="dim">
          {report
            ? `${report.facts.os}, kernel ${report.facts.kernel}, ${plural(report.facts.cpus, "CPU")}, ${bytes(report.facts.memory_bytes)} memory`
            : "It has not reported yet."}
        </div>
      </header>
      {host.problem ? (
        <section>
          <ProblemBlock problem={host.problem} tone="warn" />
        </section>
      ) : null}
      {host.changed_key ? <ChangedKeySection host={host} changed={host.changed_key} /> : null}
      <section aria-label="Joining">
        {joined ? (
          <details>
            <summary>
              Joined {ago(host.created_at)}, all {plural(steps.length, "check")} passed
            </summary>
            <Checklist steps={steps} />
          </details>
        ) : (
          <>
            <h3>Joining</h3>
            <Checklist steps={steps} />
          </>
        )}
      </section>
      <Tunnel host={host} />
      <HostSsh host={host} />
      {host.type.kind === "self-host" ? <MachineLink host={host} /> : null}
      <HostBackups host={host} />
      {report ? <Load host={host} report={report} /> : null}
      <HostVersion host={host} />
      <HostVms host={host} />
      <HostFound host={host} />
      <Actions host={host} name={name} />
      <HostLeaving host={host} close={close} />
    </aside>
  );
}

function Tunnel({ host }: { host: Host }): ReactNode {
  const { tunnel } = host;
  if (tunnel.state === "none") {
    return (
      <section aria-label="Tunnel">
        <h3>Tunnel</h3>
        <p className="dim">None: hub and host are one machine.</p>
      </section>
    );
  }
  const known = tunnel.history_ms.filter((value): value is number => value !== null);
  const missed = tunnel.history_ms.length - known.length;
  return (
    <section aria-label="Tunnel">
      <div className="row">
        <h3 style={{ flex: 1 }}>Tunnel</h3>
        <span className="dim">last hour</span>
      </div>
      <div className="row" style={{ gap: 16, alignItems: "center" }}>
        <div style={{ width: 84 }}>
          {tunnel.state === "up" ? (
            <>
              <b className="big">{tunnel.rtt_ms?.toFixed(1) ?? "–"}</b> ms
              <div className="dim">echo, now</div>
            </>
          ) : (
            <span className="warn-text">{tunnel.state === "never" ? "not up yet" : "no echo"}</span>
          )}
        </div>
        <Sparkline values={tunnel.history_ms} width={340} height={56} />
      </div>
      <dl className="facts">
        <dt>In words</dt>
        <dd>
          {known.length === 0
            ? "no echo in the last hour"
            : `between ${Math.min(...known).toFixed(1)} and ${Math.max(...known).toFixed(1)} ms; ${plural(missed, "minute")} without an echo`}
        </dd>
        <dt>{tunnel.state === "up" ? "Up since" : "Last echo"}</dt>
        <dd>{ago(tunnel.state === "up" ? tunnel.since : tunnel.last_echo_at)}</dd>
        <dt>Ports on the hub</dt>
        <dd>
          {host.ssh_port} SSH, {host.http_port} HTTP (loopback)
        </dd>
        <dt>Key</dt>
        <dd>
          <span className="mono breaks">{host.key_fingerprint}</span>{" "}
          <CopyButton text={host.key_fingerprint} />
        </dd>
      </dl>
    </section>
  );
}

const MARKS = {
  ok: "",
  warn: "The disk below it fills up.",
  refuse: "The disk below it is nearly full: no project is started.",
  stop: "The disk below it is full: projects were stopped.",
};

/** What the pool is, and what is wrong with it. */
function PoolLines({ storage }: { storage: NonNullable<Host["report"]>["storage"] }): ReactNode {
  const { pool, health } = storage;
  if (pool === null) return null;
  const errors = Object.values(health?.device_errors ?? {}).reduce((sum, count) => sum + count, 0);
  return (
    <div className="dim">
      {pool.kind === "btrfs" ? <div>btrfs, {pool.mode}; snapshots every quarter of an hour</div> : null}
      {pool.backing ? (
        <div>
          The disk below has {bytes(pool.backing.free_bytes)} free, {bytes(pool.backing.reserve_bytes)} are
          its reserve.
        </div>
      ) : null}
      {pool.watermark === "ok" ? null : <strong>{MARKS[pool.watermark]}</strong>}
      {errors > 0 ? <strong>{plural(errors, "error")} of the device so far.</strong> : null}
      {health?.scrub ? <div>Read and compared {ago(health.scrub.finished_at)}</div> : null}
      {pool.note ? <div>{pool.note}</div> : null}
    </div>
  );
}

function Load({ host, report }: { host: Host; report: NonNullable<Host["report"]> }): ReactNode {
  const used = report.memory.total_bytes - report.memory.available_bytes;
  const full = report.storage.total_bytes - report.storage.free_bytes;
  return (
    <section aria-label="Load">
      <div className="row">
        <h3 style={{ flex: 1 }}>Load</h3>
        <span className="dim">reported {ago(host.report_at)}</span>
      </div>
      <dl className="facts">
        <dt>CPU</dt>
        <dd>
          {((report.load.cpu_percent / 100) * report.facts.cpus).toFixed(1)} of{" "}
          {plural(report.facts.cpus, "core")}
          <Meter share={report.load.cpu_percent / 100} />
        </dd>
        <dt>Memory</dt>
        <dd>
          {bytes(used)} of {bytes(report.memory.total_bytes)}
          <Meter share={used / report.memory.total_bytes} />
        </dd>
        <dt>Disk</dt>
        <dd>
          {bytes(full)} of {bytes(report.storage.total_bytes)}
          <Meter share={full / report.storage.total_bytes} />
          {report.storage.problem ? <strong>{report.storage.problem.title}.</strong> : null}
          {report.storage.kind === "directory" && !report.storage.problem ? (
            <div className="dim">Plain folders: no quotas and no snapshots.</div>
          ) : null}
          <PoolLines storage={report.storage} />
        </dd>
        <dt>Projects</dt>
        <dd>
          {report.projects.running} running, {report.projects.queued} queued, {report.projects.total} in all
        </dd>
        <dt>Runs them with</dt>
        <dd>
          {report.runtime.kind === "process"
            ? "plain processes: projects can read each other’s files"
            : report.runtime.kind}
          {report.runtime.helper ? "" : ", without a helper"}
        </dd>
      </dl>
    </section>
  );
}

function Actions({ host, name }: { host: Host; name: string }): ReactNode {
  const [wanted, setWanted] = useState(host.name);
  const rename = useMutation({ mutationFn: () => api.hosts.rename(host.host_id, wanted), onSuccess: again });
  const revoke = useMutation({ mutationFn: () => api.hosts.revoke(host.host_id), onSuccess: again });
  const end = async () => {
    const yes = await askYesNo({
      title: `Revoke the key of ${name}?`,
      text: "Its tunnel and its connection end at once, and it cannot come back with this key. What runs there goes on running, unreachable.",
      action: "Revoke the key",
      danger: true,
    });
    if (yes) revoke.mutate();
  };
  return (
    <section aria-label="Name and leaving">
      <ErrorBlock error={rename.error ?? revoke.error} />
      <form
        className="row"
        style={{ alignItems: "flex-end" }}
        onSubmit={(event) => {
          event.preventDefault();
          rename.mutate();
        }}
      >
        <TextInput
          style={{ flex: 1 }}
          label="Name"
          value={wanted}
          onChange={(event) => setWanted(event.currentTarget.value)}
        />
        <Button
          type="submit"
          variant="default"
          disabled={wanted.trim() === "" || wanted === host.name}
          loading={rename.isPending}
        >
          Rename
        </Button>
      </form>
      {host.type.kind === "self-host" ? (
        <div className="row" style={{ marginTop: 16 }}>
          <Button variant="default" onClick={() => void end()} loading={revoke.isPending}>
            Revoke its key
          </Button>
        </div>
      ) : null}
    </section>
  );
}
