/** The project as it was: points in time, the files of one of them compared with now, and putting back. */
import { Button, Checkbox } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import type { Project } from "../../contract/api.ts";
import type { Snapshot } from "../../contract/storage.ts";
import { api, queryClient } from "../api.ts";
import { ErrorBlock } from "../components/blocks.tsx";
import { askYesNo } from "../components/dialogs.tsx";
import { bytes, plural, visible } from "../components/format.ts";
import { Icon } from "../components/icons.tsx";
import { StorageBar } from "../components/storage-bar.tsx";
import "../styles/snapshots.css";
import type { SectionProps } from "./sections.tsx";
import { byDay, compared, dayOf, KIND_WORDS, newSince } from "./snapshots-model.ts";

const REFRESH_MS = 30_000;
const clock = (iso: string) =>
  new Date(iso).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit" });
const listKey = (id: string) => ["snapshots", id];

export default function SnapshotsSection({ project }: SectionProps): ReactNode {
  const id = project.project_id;
  const list = useQuery({
    queryKey: listKey(id),
    queryFn: () => api.snapshots.list(id),
    refetchInterval: REFRESH_MS,
  });
  const [chosen, setChosen] = useState<string>();
  const create = useMutation({
    mutationFn: () => api.snapshots.create(id),
    async onSuccess(made) {
      await queryClient.invalidateQueries({ queryKey: listKey(id) });
      setChosen(made.name);
    },
  });
  const one = list.data?.snapshots.find(({ name }) => name === chosen) ?? list.data?.snapshots[0];
  // What is looked at stays: a snapshot that is taken meanwhile must not take its place under a person's hands.
  useEffect(() => {
    if (one) setChosen(one.name);
  }, [one]);
  if (list.data === undefined) {
    return (
      <div className="snaps-alone">
        <ErrorBlock error={list.error} />
      </div>
    );
  }
  const { supported, why, snapshots, usage } = list.data;
  const now = new Date();
  return (
    <div className="snaps">
      <nav className="snaps-points" aria-label="Points in time">
        {supported ? (
          <Button
            size="xs"
            variant="default"
            fullWidth
            loading={create.isPending}
            disabled={project.role === "viewer"}
            onClick={() => create.mutate()}
          >
            Take a snapshot now
          </Button>
        ) : (
          <p className="dim">{why}</p>
        )}
        <ErrorBlock error={create.error} />
        {snapshots.length === 0 && supported ? (
          <p className="dim">None yet. One is taken every quarter of an hour, if something changed.</p>
        ) : null}
        {byDay(snapshots, now).map((group) => (
          <section key={group.day} aria-label={group.day}>
            <h3 className="dim">{group.day}</h3>
            {group.snapshots.map((point) => (
              <button
                key={point.name}
                type="button"
                className="snaps-point"
                aria-current={point.name === one?.name ? "true" : undefined}
                onClick={() => setChosen(point.name)}
              >
                <span>{clock(point.name)}</span>
                <span>
                  Snapshot<small className="dim">{KIND_WORDS[point.kind]}</small>
                </span>
              </button>
            ))}
          </section>
        ))}
      </nav>
      {one ? <Point key={one.name} project={project} point={one} usage={usage} /> : null}
    </div>
  );
}

function Point({
  project,
  point,
  usage,
}: {
  project: Project;
  point: Snapshot;
  usage: Parameters<typeof StorageBar>[0]["usage"] | null;
}): ReactNode {
  const id = project.project_id;
  const running = project.state === "running" && project.role !== "viewer";
  const [path, setPath] = useState("");
  const [picked, setPicked] = useState<readonly string[]>([]);
  const [onlyOther, setOnlyOther] = useState(false);
  const files = useQuery({
    queryKey: ["snapshot-files", id, point.name, path],
    queryFn: () => api.snapshots.files(id, point.name, path),
    enabled: running,
  });
  const changes = useQuery({
    queryKey: ["snapshot-changes", id, point.name, path],
    queryFn: () => api.snapshots.changes(id, point.name, path),
    enabled: running,
  });
  const restore = useMutation({
    mutationFn: (paths: string[] | null) => api.snapshots.restore(id, point.name, paths),
    async onSuccess(_, paths) {
      setPicked([]);
      notifications.show({
        message: `${paths === null ? "All of it is" : plural(paths.length, "item")} as it was at ${clock(point.name)}. How it was until now is a snapshot too.`,
      });
      await queryClient.invalidateQueries({ queryKey: listKey(id) });
      await queryClient.invalidateQueries({ queryKey: ["snapshot-changes", id] });
    },
  });
  const remove = useMutation({
    mutationFn: () => api.snapshots.remove(id, point.name),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: listKey(id) }),
  });
  const when = `${dayOf(point.name, new Date())}, ${clock(point.name)}`;
  const known = changes.data?.changes;
  // Where the snapshots themselves are shown is empty in each of them.
  const entries = (files.data?.entries ?? []).filter((one) => path !== "" || one.name !== ".snapshots");
  const rows = entries.map((file) => ({ file, now: compared(file.name, known) }));
  const shown = onlyOther ? rows.filter(({ now }) => now?.tone !== "same") : rows;
  const fresh = known === undefined ? [] : newSince(known);
  const full = (name: string) => (path === "" ? name : `${path}/${name}`);
  const open = (to: string) => {
    setPath(to);
    setPicked([]);
  };
  const all = async () => {
    const yes = await askYesNo({
      title: `Put back all of ${visible(project.name)}?`,
      text: "Home and what was installed become as they were. It is stopped and started for that: what runs in it ends, for everybody. How it is now stays as a snapshot.",
      action: "Put all back",
      danger: true,
    });
    if (yes) restore.mutate(null);
  };
  return (
    <>
      <section className="snaps-files" aria-label={`Files as they were: ${when}`}>
        <header>
          <button type="button" className="crumb" onClick={() => open("")}>
            <Icon name="folder" /> Home
          </button>
          {path.split("/").map((part, at, parts) =>
            part === "" ? null : (
              <button
                key={parts.slice(0, at + 1).join("/")}
                type="button"
                className="crumb"
                onClick={() => open(parts.slice(0, at + 1).join("/"))}
              >
                / <bdi>{visible(part)}</bdi>
              </button>
            ),
          )}
          <span className="dim">as it was: {when}</span>
          <span style={{ flex: 1 }} />
          <Checkbox
            size="xs"
            label="Only what differs from now"
            checked={onlyOther}
            onChange={(event) => setOnlyOther(event.currentTarget.checked)}
          />
        </header>
        {running ? null : (
          <p className="dim" style={{ padding: "0 24px" }}>
            Its files can be looked at while the project runs. All of it can be put back now.
          </p>
        )}
        <ErrorBlock error={files.error ?? changes.error} />
        <table className="list">
          <thead>
            <tr>
              <th aria-label="Chosen" />
              <th>Name</th>
              <th className="wide-only">Size</th>
              <th>Compared with now</th>
            </tr>
          </thead>
          <tbody>
            {shown.map(({ file, now }) => {
              const its = full(file.name);
              const name = visible(file.name);
              return (
                <tr key={file.name} aria-selected={picked.includes(its)}>
                  <td>
                    <Checkbox
                      size="xs"
                      aria-label={`Choose ${name}`}
                      checked={picked.includes(its)}
                      onChange={(event) => {
                        const { checked } = event.currentTarget;
                        setPicked((before) =>
                          checked ? [...before, its] : before.filter((other) => other !== its),
                        );
                      }}
                    />
                  </td>
                  <td>
                    {file.type === "directory" ? (
                      <button type="button" className="crumb" onClick={() => open(its)}>
                        <Icon name="folder" /> <bdi>{name}</bdi>
                      </button>
                    ) : (
                      <span className="crumb">
                        <Icon name="file" /> <bdi>{name}</bdi>
                      </span>
                    )}
                  </td>
                  <td className="wide-only dim">{file.type === "directory" ? "" : bytes(file.size)}</td>
                  <td className={`snaps-${now?.tone ?? "same"}`}>
                    {now?.text ?? (changes.error ? "" : "…")}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
        {fresh.length > 0 ? (
          <p className="dim" style={{ padding: "0 24px" }}>
            New since then: {fresh.slice(0, 8).map(visible).join(", ")}
            {fresh.length > 8 ? " …" : ""}
          </p>
        ) : null}
      </section>
      <aside className="snaps-side" aria-label="Put back">
        <h2>{when}</h2>
        <p className="dim">
          {KIND_WORDS[point.kind]} <span className="mono">{point.name}</span>
        </p>
        {point.left_out.length > 0 ? (
          <p>
            Not in it: {point.left_out.map(visible).join(", ")}. These folders are subvolumes that could not
            be taken in.
          </p>
        ) : null}
        {usage ? <StorageBar usage={usage} /> : null}
        <ErrorBlock error={restore.error ?? remove.error} />
        <Button
          fullWidth
          disabled={picked.length === 0 || !running}
          loading={restore.isPending}
          onClick={() => restore.mutate([...picked])}
        >
          {picked.length === 0 ? "Put back what you choose" : `Put back ${plural(picked.length, "item")}`}
        </Button>
        <p className="dim">In place; how it is now is kept as a snapshot first. The project keeps running.</p>
        {project.role === "owner" ? (
          <>
            <Button fullWidth variant="default" loading={restore.isPending} onClick={() => void all()}>
              Put back all of the project …
            </Button>
            <Button
              fullWidth
              variant="subtle"
              color="red"
              loading={remove.isPending}
              onClick={() =>
                void askYesNo({
                  title: `Remove the snapshot of ${when}?`,
                  text: "What only it still holds is gone then. The files as they are now stay.",
                  action: "Remove it",
                  danger: true,
                }).then((yes) => yes && remove.mutate())
              }
            >
              Remove this snapshot
            </Button>
          </>
        ) : null}
      </aside>
    </>
  );
}
