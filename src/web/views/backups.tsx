/** All backups, for an admin: alarms first, then projects, repositories, drills. */
import { Button } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Link } from "wouter";
import type { BackupsOverview } from "../../contract/api-backups.ts";
import { api, keys } from "../api.ts";
import { BackupAlarms, BackupStateLabel, DrillStateLabel } from "../components/backup-state.tsx";
import { ErrorBlock, PageHead } from "../components/blocks.tsx";
import { ago, bytes, plural, visible } from "../components/format.ts";

const REFRESH_MS = 10_000;

export default function BackupsView(): ReactNode {
  const overview = useQuery({
    queryKey: [...keys.projects, "all-backups"],
    queryFn: api.backups.overview,
    refetchInterval: REFRESH_MS,
  });
  const drill = useMutation({ mutationFn: () => api.backups.drill(), onSuccess: () => overview.refetch() });
  const verify = useMutation({ mutationFn: api.backups.verify, onSuccess: () => overview.refetch() });
  const all = overview.data;
  return (
    <>
      <PageHead title="Backups" note={all ? `Kept: ${all.keeps}` : undefined}>
        <Button
          variant="default"
          component="a"
          href="/api/backups/recovery-sheet"
          target="_blank"
          rel="noopener"
        >
          Recovery sheet
        </Button>
        <Button variant="default" component="a" href="/api/backups/bundle" download>
          Bundle of this hub
        </Button>
        <Button variant="default" onClick={() => verify.mutate()} loading={verify.isPending}>
          Read all data back
        </Button>
        <Button onClick={() => drill.mutate()} loading={drill.isPending}>
          Run a drill
        </Button>
      </PageHead>
      <div className="body">
        <ErrorBlock error={overview.error ?? drill.error ?? verify.error} />
        <BackupAlarms alarms={all?.alarms ?? []} />
        {all ? <Projects all={all} /> : null}
        {all ? <Repositories all={all} /> : null}
        {all && all.drills.length > 0 ? <Drills all={all} /> : null}
      </div>
    </>
  );
}

function Projects({ all }: { all: BackupsOverview }): ReactNode {
  if (all.projects.length === 0) {
    return (
      <section className="bk-part" aria-label="Projects">
        <h2>Projects</h2>
        <p className="dim">No projects yet: there is nothing to back up.</p>
      </section>
    );
  }
  return (
    <section className="bk-part" aria-label="Projects">
      <h2>Projects</h2>
      <table className="list">
        <thead>
          <tr>
            <th>Project</th>
            <th>Host</th>
            <th>Last proven</th>
            <th>Last backup</th>
          </tr>
        </thead>
        <tbody>
          {all.projects.map((one) => (
            <tr key={one.project_id}>
              <td>
                <Link href={`/projects/${one.project_id}/backups`}>
                  <bdi>{visible(one.name)}</bdi>
                </Link>
              </td>
              <td>{visible(one.host_name ?? "none")}</td>
              <td>{ago(one.last_proven_at)}</td>
              <td>
                {one.last ? (
                  <BackupStateLabel state={one.last.state} detail={one.last.problem?.title ?? ""} />
                ) : (
                  <span className="dim">none yet</span>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Repositories({ all }: { all: BackupsOverview }): ReactNode {
  return (
    <section className="bk-part" aria-label="Repositories">
      <h2>{all.isolation === "shared" ? "Repository" : "Repositories, one for each host"}</h2>
      {all.repositories.length === 0 ? <p className="dim">It is made with the first backup.</p> : null}
      {all.repositories.map((one) => (
        <dl key={one.repository_id} className="bk-facts">
          <dt>Where</dt>
          <dd className="mono breaks">{one.location}</dd>
          <dt>Disk</dt>
          <dd>
            {one.free_bytes === null
              ? "unknown"
              : `${bytes(one.free_bytes)} of ${bytes(one.total_bytes ?? 0)} free${one.space === "ok" ? "" : ": too little"}`}
          </dd>
          <dt>Files looked at</dt>
          <dd>
            {one.swept_files}, {ago(one.swept_at)}; {plural(one.quarantined, "file")} put aside
          </dd>
          <dt>Read back</dt>
          <dd>{one.read_back_at ? ago(one.read_back_at) : "not yet; a seventh each week"}</dd>
          <dt>Pruned</dt>
          <dd>{ago(one.pruned_at)}</dd>
        </dl>
      ))}
    </section>
  );
}

function Drills({ all }: { all: BackupsOverview }): ReactNode {
  return (
    <section className="bk-part" aria-label="Restore drills">
      <h2>Restore drills</h2>
      <table className="list">
        <thead>
          <tr>
            <th>When</th>
            <th>Project</th>
            <th>Outcome</th>
          </tr>
        </thead>
        <tbody>
          {all.drills.slice(0, 10).map((one) => (
            <tr key={one.drill_id}>
              <td>{ago(one.started_at)}</td>
              <td>
                <bdi>{visible(one.project_name)}</bdi>
              </td>
              <td>
                <DrillStateLabel
                  state={one.state}
                  detail={
                    one.problem?.title ?? (one.files > 0 ? `${one.files} files came back as they were` : "")
                  }
                />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
