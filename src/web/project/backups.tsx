/** A project's backups: points in time, its home as it was then, and what comes back from there. */
import { Button, Checkbox, Modal, Radio } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import type { Operation } from "../../contract/api.ts";
import type { Backup, BackupEntry } from "../../contract/api-backups.ts";
import { callProject } from "../../contract/project-client.ts";
import { CodedError } from "../../core/errors.ts";
import { api, keys, queryClient } from "../api.ts";
import { BackupAlarms, BackupStateLabel } from "../components/backup-state.tsx";
import { Checklist, ErrorBlock, ProblemBlock } from "../components/blocks.tsx";
import { ago, bytes, plural, visible } from "../components/format.ts";
import { Icon } from "../components/icons.tsx";
import { thenAndNow } from "./backup-then-now.ts";
import { PlaceMenu } from "./place-menu.tsx";
import type { SectionProps } from "./sections.tsx";
import type { Compared } from "./snapshots-model.ts";

/** Of a folder as it is now; what comes after so many is not compared. */
const NOW_ENTRIES = 1_000;
/** While one runs; at rest the hub's word that something changed is enough. */
const RUNNING_MS = 1_000;

export default function Backups({ project, me, host }: SectionProps): ReactNode {
  const id = project.project_id;
  const [operation, setOperation] = useState<string>();
  const all = useQuery({
    queryKey: [...keys.projects, id, "backups"],
    queryFn: () => api.backups.list(id),
    refetchInterval: operation === undefined ? false : RUNNING_MS,
  });
  const running = useQuery({
    queryKey: [...keys.operations, operation],
    queryFn: () => api.operations.get(operation ?? ""),
    enabled: operation !== undefined,
    refetchInterval: (query) => (isOver(query.state.data) ? false : RUNNING_MS),
  });
  const [chosen, choose] = useState<string>();
  const backups = all.data?.backups ?? [];
  const selected =
    backups.find((one) => one.backup_id === chosen) ?? backups.find((one) => one.snapshot_id !== null);
  const run = useMutation({
    mutationFn: () => api.backups.run(id),
    onSuccess: (started) => setOperation(started.operation_id),
  });
  const over = isOver(running.data);
  useEffect(() => {
    if (over) void queryClient.invalidateQueries({ queryKey: keys.projects });
  }, [over]);
  const may = project.role !== "viewer";
  return (
    <div className="bk">
      <header className="head">
        <h1>Backups</h1>
        <span className="dim">
          {all.data
            ? `${all.data.every_minutes === 0 ? "Only when asked for" : `Every ${all.data.every_minutes} min while it runs`}; kept: ${all.data.keeps}`
            : ""}
        </span>
        <span className="spacer" />
        {may ? (
          <PlaceMenu project={project} me={me} onStarted={(started) => setOperation(started.operation_id)} />
        ) : null}
        {may ? (
          <Button onClick={() => run.mutate()} loading={run.isPending || (operation !== undefined && !over)}>
            Back up now
          </Button>
        ) : null}
      </header>
      <ErrorBlock error={all.error ?? run.error} />
      <BackupAlarms alarms={all.data?.alarms ?? []} />
      {running.data ? (
        <section className="bk-run" aria-label="Under way" aria-live="polite">
          <Checklist steps={running.data.steps} />
          {running.data.problem ? <ProblemBlock problem={running.data.problem} /> : null}
          {over ? null : (
            <Button
              variant="subtle"
              size="xs"
              onClick={() => void api.operations.cancel(running.data.operation_id)}
            >
              Cancel
            </Button>
          )}
        </section>
      ) : null}
      {all.isSuccess && backups.length === 0 ? (
        <div className="empty">
          A backup is a copy of this project in the repository on the hub, counted and looked at before it is
          called proven. There is none yet.
        </div>
      ) : null}
      <div className="bk-room">
        <nav className="bk-points" aria-label="Points in time">
          {backups.map((one) => (
            <button
              type="button"
              key={one.backup_id}
              className="bk-point"
              aria-current={selected?.backup_id === one.backup_id}
              onClick={() => choose(one.backup_id)}
            >
              <time dateTime={one.started_at} title={new Date(one.started_at).toLocaleString()}>
                {ago(one.started_at)}
              </time>
              <BackupStateLabel state={one.state} detail={pointDetail(one)} />
            </button>
          ))}
        </nav>
        {selected ? (
          <Point
            key={selected.backup_id}
            project={project}
            host={host}
            backup={selected}
            onStarted={(started) => setOperation(started.operation_id)}
          />
        ) : null}
      </div>
    </div>
  );
}

const isOver = (operation: Operation | undefined): boolean =>
  operation !== undefined && operation.state !== "pending" && operation.state !== "running";

function pointDetail(one: Backup): string {
  if (one.state === "failed") return one.problem?.title ?? "";
  if (one.state === "partial") return `${one.left_out_total} not in it`;
  return one.state === "proven" ? `${bytes(one.added_bytes)} new` : "";
}

function Point({
  project,
  host,
  backup,
  onStarted,
}: {
  project: SectionProps["project"];
  host: SectionProps["host"];
  backup: Backup;
  onStarted: (operation: Operation) => void;
}): ReactNode {
  const [folder, setFolder] = useState("");
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const has = backup.snapshot_id !== null;
  const files = useQuery({
    queryKey: ["backup-files", backup.backup_id, folder],
    queryFn: () => api.backups.files(project.project_id, backup.backup_id, folder),
    enabled: has,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const now = useQuery({
    queryKey: ["files-now", project.project_id, folder],
    queryFn: async () => {
      if (host === undefined) return [];
      const id = project.project_id;
      try {
        const order = { limit: NOW_ENTRIES, order: "name", hidden: true } as const;
        return (await callProject(host.client, id, "files.list", { path: folder || ".", ...order })).entries;
      } catch (error) {
        // The whole folder was deleted since.
        if (error instanceof CodedError && error.code === "file.not-found") return [];
        throw error;
      }
    },
    enabled: has && host !== undefined && project.state === "running" && project.role !== "viewer",
    staleTime: 5_000,
  });
  const toggle = (path: string) => {
    const next = new Set(picked);
    if (!next.delete(path)) next.add(path);
    setPicked(next);
  };
  const parts = folder === "" ? [] : folder.split("/");
  return (
    <>
      <section className="bk-files" aria-label="Files as they were">
        {has ? (
          <nav className="bk-crumbs" aria-label="Folder">
            <button type="button" onClick={() => setFolder("")}>
              Home
            </button>
            {parts.map((part, index) => {
              const path = parts.slice(0, index + 1).join("/");
              return (
                <button type="button" key={path} onClick={() => setFolder(path)}>
                  <bdi>{visible(part)}</bdi>
                </button>
              );
            })}
            <span className="dim">as it was {ago(backup.started_at)}</span>
          </nav>
        ) : null}
        <ErrorBlock error={files.error} />
        {files.data ? (
          <table className="list">
            <thead>
              <tr>
                <th aria-label="Chosen" />
                <th>Name</th>
                <th>Size</th>
                <th>Modified</th>
                {now.data ? <th>Compared with now</th> : null}
                <th aria-label="Actions" />
              </tr>
            </thead>
            <tbody>
              {files.data.map((entry) => (
                <EntryRow
                  key={entry.path}
                  entry={entry}
                  now={now.data && thenAndNow(entry, now.data)}
                  picked={picked.has(entry.path)}
                  toggle={() => toggle(entry.path)}
                  enter={() => setFolder(entry.path)}
                  href={api.backups.fileUrl(project.project_id, backup.backup_id, entry.path)}
                />
              ))}
            </tbody>
          </table>
        ) : null}
        {files.data?.length === 0 ? <div className="empty">This folder was empty.</div> : null}
      </section>
      <aside className="bk-side" aria-label="This backup">
        <BackupStateLabel state={backup.state} />
        <h2>{new Date(backup.started_at).toLocaleString()}</h2>
        {has ? (
          <dl className="bk-facts">
            <dt>Files</dt>
            <dd>
              {plural(backup.files, "file")}, {plural(backup.dirs, "folder")} read and counted
            </dd>
            <dt>Size</dt>
            <dd>
              {bytes(backup.bytes)}, {bytes(backup.added_bytes)} new
            </dd>
            <dt>From</dt>
            <dd>
              <bdi>{visible(backup.host_name ?? "a host that is gone")}</bdi>,{" "}
              {(backup.took_ms / 1000).toFixed(1)} s
            </dd>
            <dt>Id</dt>
            <dd className="mono">{backup.snapshot_id?.slice(0, 12)}</dd>
          </dl>
        ) : null}
        {backup.problem ? (
          <ProblemBlock problem={backup.problem} tone={backup.state === "partial" ? "warn" : "bad"} />
        ) : null}
        {backup.left_out.length > 0 ? (
          <details>
            <summary>What is not in it</summary>
            <ul className="bk-left">
              {backup.left_out.map((one) => (
                <li key={one} className="mono">
                  {visible(one)}
                </li>
              ))}
            </ul>
          </details>
        ) : null}
        {has && project.role !== "viewer" ? (
          <Restore project={project} backup={backup} picked={[...picked]} onStarted={onStarted} />
        ) : null}
      </aside>
    </>
  );
}

function EntryRow({
  entry,
  now,
  picked,
  toggle,
  enter,
  href,
}: {
  entry: BackupEntry;
  now: Compared | undefined;
  picked: boolean;
  toggle: () => void;
  enter: () => void;
  href: string;
}): ReactNode {
  const name = visible(entry.name);
  return (
    <tr aria-selected={picked}>
      <td>
        <Checkbox checked={picked} onChange={toggle} aria-label={`Choose ${name}`} />
      </td>
      <td>
        <span className="bk-name">
          <Icon name={entry.type === "dir" ? "folder" : "file"} />
          {entry.type === "dir" ? (
            <button type="button" onClick={enter}>
              <bdi>{name}</bdi>
            </button>
          ) : (
            <bdi>{name}</bdi>
          )}
          {entry.link ? <span className="dim">→ {visible(entry.link)}</span> : null}
        </span>
      </td>
      <td>{entry.type === "file" ? bytes(entry.size) : ""}</td>
      <td className="dim">{entry.modified_at ? new Date(entry.modified_at).toLocaleString() : ""}</td>
      {now ? <td className={`snaps-${now.tone}`}>{now.text}</td> : null}
      <td>
        {entry.type === "file" ? (
          <a className="bk-get" href={href} download aria-label={`Download ${name} as it was`}>
            <Icon name="download" />
          </a>
        ) : null}
      </td>
    </tr>
  );
}

function Restore({
  project,
  backup,
  picked,
  onStarted,
}: {
  project: SectionProps["project"];
  backup: Backup;
  picked: string[];
  onStarted: (operation: Operation) => void;
}): ReactNode {
  const [to, setTo] = useState<"beside" | "over">("beside");
  const [asking, ask] = useState(false);
  const restore = useMutation({
    mutationFn: () =>
      api.backups.restore(
        project.project_id,
        backup.backup_id,
        picked.length > 0 ? { what: "paths", paths: picked, to } : { what: "project" },
      ),
    onSuccess(started) {
      ask(false);
      onStarted(started);
    },
  });
  if (picked.length === 0) {
    if (project.role !== "owner") return <p className="dim">Choose files to bring back.</p>;
    return (
      <section className="bk-restore">
        <h3>Restore</h3>
        <p className="dim">Choose files on the left, or bring back the whole project.</p>
        <Button variant="default" onClick={() => ask(true)}>
          Restore the whole project
        </Button>
        <Modal opened={asking} onClose={() => ask(false)} title="Restore the whole project">
          <p>
            <bdi>{visible(project.name)}</bdi> is stopped, all of its files become what they were on{" "}
            {new Date(backup.started_at).toLocaleString()}, and it runs again if it ran. What was written
            since then is replaced. Nothing has changed yet.
          </p>
          <ErrorBlock error={restore.error} />
          <Button color="red" onClick={() => restore.mutate()} loading={restore.isPending} data-autofocus>
            Restore the whole project
          </Button>
        </Modal>
      </section>
    );
  }
  return (
    <section className="bk-restore">
      <h3>Restore {plural(picked.length, "item")}</h3>
      <Radio.Group
        value={to}
        onChange={(value) => setTo(value === "over" ? "over" : "beside")}
        aria-label="Where to"
      >
        <Radio value="beside" label="Beside what is there" description="into a new folder restored-…" />
        <Radio value="over" label="In place" description="what is there now is written over" />
      </Radio.Group>
      <ErrorBlock error={restore.error} />
      <Button onClick={() => restore.mutate()} loading={restore.isPending}>
        Restore {plural(picked.length, "item")}
      </Button>
    </section>
  );
}
