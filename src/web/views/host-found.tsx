/** What a machine brought along: each project is adopted, or wiped once its name (for all: the host's) is typed. */
import { Button, Modal, Progress, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import type { Host } from "../../contract/api.ts";
import { FOUND_WORDS, type FoundProject } from "../../contract/api-found.ts";
import { api, keys, queryClient } from "../api.ts";
import { ErrorBlock } from "../components/blocks.tsx";
import { plural, visible } from "../components/format.ts";

const again = (host: Host) => queryClient.invalidateQueries({ queryKey: ["found", host.host_id] });

export function HostFound({ host }: { host: Host }): ReactNode {
  const [wiping, wipe] = useState<FoundProject[]>();
  const found = useQuery({
    queryKey: ["found", host.host_id],
    queryFn: () => api.found.list(host.host_id),
    // A host that is away has nothing to tell.
    enabled: host.state === "ready" || host.state === "degraded",
    retry: false,
  });
  const projects = found.data?.projects ?? [];
  if (projects.length === 0 && wiping === undefined) return null;
  return (
    <section aria-label="Found on its disk">
      <h3>Found on its disk</h3>
      <p className="dim" style={{ margin: 0 }}>
        {plural(projects.length, "project")} of an earlier stay. Nothing happens to them by itself: adopt what
        is to go on here, wipe what nobody needs.
      </p>
      {found.data?.pool ? (
        <div className="dim breaks">
          File system <span className="mono">{found.data.pool}</span>
        </div>
      ) : null}
      {projects.map((project) => (
        <FoundRow key={project.project_id} host={host} project={project} wipe={() => wipe([project])} />
      ))}
      {projects.length > 1 ? (
        <div className="row" style={{ justifyContent: "flex-end", marginTop: 8 }}>
          <Button size="xs" variant="subtle" color="red" onClick={() => wipe(projects)}>
            Wipe all {projects.length}
          </Button>
        </div>
      ) : null}
      {wiping ? <WipeDialog host={host} projects={wiping} close={() => wipe(undefined)} /> : null}
    </section>
  );
}

function FoundRow({
  host,
  project,
  wipe,
}: {
  host: Host;
  project: FoundProject;
  wipe: () => void;
}): ReactNode {
  const adopt = useMutation({
    mutationFn: () => api.found.adopt(host.host_id, project.project_id),
    async onSuccess() {
      await again(host);
      await queryClient.invalidateQueries({ queryKey: keys.projects });
    },
  });
  const name = visible(project.name);
  return (
    <>
      <div className="row" style={{ marginTop: 8 }}>
        <span style={{ flex: 1 }}>
          <bdi>{name}</bdi>
          <div className="dim">{FOUND_WORDS[project.state].is}</div>
        </span>
        {project.state === "elsewhere" ? null : (
          <Button
            size="xs"
            variant="default"
            loading={adopt.isPending}
            onClick={() => adopt.mutate()}
            aria-label={`Adopt ${name}`}
          >
            Adopt
          </Button>
        )}
        <Button
          size="xs"
          variant="subtle"
          color="red"
          disabled={adopt.isPending}
          onClick={wipe}
          aria-label={`Wipe ${name}`}
        >
          Wipe
        </Button>
      </div>
      <ErrorBlock error={adopt.error} />
    </>
  );
}

/** One after the other, so that a failure says at which it was; those before it are gone. */
function WipeDialog({
  host,
  projects,
  close,
}: {
  host: Host;
  projects: FoundProject[];
  close: () => void;
}): ReactNode {
  const [typed, setTyped] = useState("");
  const [done, setDone] = useState(0);
  const [first] = projects;
  const one = projects.length === 1 ? first : undefined;
  const word = one?.name ?? host.name;
  const shown = visible(word);
  const what = one ? visible(one.name) : plural(projects.length, "project");
  const wipe = useMutation({
    async mutationFn() {
      for (const project of projects.slice(done)) {
        await api.found.wipe(host.host_id, project.project_id, project.name);
        setDone((before) => before + 1);
      }
    },
    onSuccess: close,
    onSettled: () => again(host),
  });
  return (
    <Modal opened onClose={close} closeOnClickOutside={!wipe.isPending} title={`Wipe ${what}`} size="lg">
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          wipe.mutate();
        }}
      >
        <b>
          Files, snapshots and what was installed are deleted from {visible(host.name)}. There is no undo.
        </b>
        <ul style={{ margin: 0, paddingLeft: 20, maxHeight: 240, overflowY: "auto" }}>
          {projects.map((project) => (
            <li key={project.project_id}>
              <bdi>{visible(project.name)}</bdi>, {FOUND_WORDS[project.state].is}.{" "}
              {FOUND_WORDS[project.state].lost}
              <div className="mono dim breaks">{project.project_id}</div>
            </li>
          ))}
        </ul>
        {projects.length > 1 && (wipe.isPending || done > 0) ? (
          <>
            <Progress value={(100 * done) / projects.length} aria-label="Wiped so far" />
            <div className="dim">
              {done} of {projects.length} wiped
            </div>
          </>
        ) : null}
        <ErrorBlock error={wipe.error} />
        <TextInput
          label={`Type ${shown} to go on`}
          value={typed}
          autoComplete="off"
          spellCheck={false}
          data-autofocus
          onChange={(event) => setTyped(event.currentTarget.value)}
        />
        <div className="row">
          <Button
            type="submit"
            color="red"
            disabled={typed !== word && typed !== shown}
            loading={wipe.isPending}
          >
            Wipe {what}
          </Button>
          <Button variant="subtle" onClick={close}>
            Cancel
          </Button>
        </div>
      </form>
    </Modal>
  );
}
