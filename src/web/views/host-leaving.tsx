/** Taking a host out: drained, deprovisioned after a dry run, or forgotten; and what is left of those that are gone. */
import { Button } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import type { Host, Operation } from "../../contract/api.ts";
import type { LeavingPlan } from "../../contract/api-leaving.ts";
import { api, keys, queryClient } from "../api.ts";
import { ErrorBlock } from "../components/blocks.tsx";
import { askYesNo } from "../components/dialogs.tsx";
import { ago, plural, visible } from "../components/format.ts";
import { LeaveDialog, Running } from "./leave-dialog.tsx";

const again = () => queryClient.invalidateQueries({ queryKey: keys.hosts });

export function HostLeaving({ host, close }: { host: Host; close: () => void }): ReactNode {
  const name = visible(host.name);
  const [leaving, setLeaving] = useState(false);
  const [operation, setOperation] = useState<Operation | null>(null);
  const drain = useMutation({
    mutationFn: (wanted: { draining: boolean; move: boolean }) => api.leaving.drain(host.host_id, wanted),
    async onSuccess(started) {
      setOperation(started);
      await again();
    },
  });
  const ask = async (move: boolean) => {
    const yes = await askYesNo({
      title: move ? `Drain ${name} and move its projects?` : `Drain ${name}?`,
      text: move
        ? "Nothing new starts there. Its projects are stopped, backed up, and brought to other hosts, one after the other."
        : "Nothing new starts there, and what runs there is stopped. Its projects stay where they are, until they are moved.",
      action: move ? "Drain and move" : `Drain ${name}`,
      danger: true,
    });
    if (yes) drain.mutate({ draining: true, move });
  };
  return (
    <section aria-label="Taking it out">
      <h3>Taking it out</h3>
      <ErrorBlock error={drain.error} />
      {host.draining ? <p className="dim">Drained: no project is started there.</p> : null}
      {operation ? <Running started={operation} /> : null}
      <div className="row" style={{ marginTop: 8, flexWrap: "wrap" }}>
        {host.draining ? (
          <Button
            variant="default"
            loading={drain.isPending}
            onClick={() => drain.mutate({ draining: false, move: false })}
          >
            Take projects again
          </Button>
        ) : (
          <>
            <Button variant="default" loading={drain.isPending} onClick={() => void ask(false)}>
              Drain
            </Button>
            <Button variant="default" loading={drain.isPending} onClick={() => void ask(true)}>
              Drain and move its projects
            </Button>
          </>
        )}
        {host.type.kind === "self-host" ? (
          <Button variant="default" onClick={() => setLeaving(true)}>
            Deprovision or forget…
          </Button>
        ) : null}
      </div>
      {leaving ? <LeaveDialog host={host} close={() => setLeaving(false)} done={close} /> : null}
    </section>
  );
}

/** Below the list of hosts: those that are gone, as long as something of them is left to say. */
export function GoneHosts(): ReactNode {
  const stones = useQuery({ queryKey: keys.tombstones, queryFn: api.leaving.tombstones });
  if (!stones.data || stones.data.length === 0) return null;
  return (
    <section className="body" aria-label="Hosts that are gone">
      <h2 style={{ padding: "24px 0 4px" }}>Gone</h2>
      {stones.data.map((stone) => (
        <details key={stone.host_id}>
          <summary>
            <bdi>{visible(stone.name)}</bdi>, {stone.how} {ago(stone.gone_at)} by {visible(stone.by)}
            {stone.projects.length > 0 ? `; ${plural(stone.projects.length, "project")} to bring back` : ""}
          </summary>
          {stone.projects.length === 0 ? (
            <p className="dim" style={{ margin: 0 }}>
              No project of this hub was on it.
            </p>
          ) : null}
          <dl className="facts">
            {stone.log ? (
              <>
                <dt>Its own log</dt>
                <dd className="mono breaks">{stone.log}</dd>
              </>
            ) : null}
            {stone.removed.length > 0 ? (
              <>
                <dt>Removed</dt>
                <dd className="breaks">{stone.removed.join("; ")}</dd>
              </>
            ) : null}
            {stone.kept.length > 0 ? (
              <>
                <dt>Kept there</dt>
                <dd className="breaks">{stone.kept.join("; ")}</dd>
              </>
            ) : null}
            {stone.projects.map((one) => (
              <ProjectLeft key={one.project_id} project={one} />
            ))}
          </dl>
        </details>
      ))}
    </section>
  );
}

function ProjectLeft({ project }: { project: LeavingPlan["projects"][number] }): ReactNode {
  return (
    <>
      <dt>
        <bdi>{visible(project.name)}</bdi>
      </dt>
      <dd>
        {project.last_proven ? (
          <>
            last proven backup {ago(project.last_proven)}; to another host:{" "}
            <span className="mono breaks">
              cocalc-hub project move {project.project_id} --to HOST --from-backup
            </span>
          </>
        ) : (
          <span className="warn-text">no proven backup: it was only there</span>
        )}
      </dd>
    </>
  );
}
