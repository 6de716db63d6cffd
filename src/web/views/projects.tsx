import { Button, Modal, Select, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { useLocation } from "wouter";
import type { Project } from "../../contract/api.ts";
import { api, keys, queryClient } from "../api.ts";
import { ErrorBlock, PageHead } from "../components/blocks.tsx";
import { ago, plural, visible } from "../components/format.ts";
import { Icon } from "../components/icons.tsx";
import { ProjectStateLabel } from "../components/state.tsx";

export default function ProjectsView(): ReactNode {
  const projects = useQuery({ queryKey: keys.projects, queryFn: api.projects.list });
  const [filter, setFilter] = useState("");
  const [creating, setCreating] = useState(false);
  const all = projects.data ?? [];
  const needle = filter.trim().toLowerCase();
  const shown = all.filter((one) =>
    `${one.name} ${one.description} ${one.owner.name}`.toLowerCase().includes(needle),
  );
  const running = all.filter((one) => one.state === "running").length;
  return (
    <>
      <PageHead title="Projects" note={all.length > 0 ? `${running} of ${all.length} running` : undefined}>
        <TextInput
          aria-label="Search projects"
          placeholder="Search"
          value={filter}
          onChange={(event) => setFilter(event.currentTarget.value)}
        />
        <Button leftSection={<Icon name="plus" />} onClick={() => setCreating(true)}>
          New project
        </Button>
      </PageHead>
      <div className="body">
        <ErrorBlock error={projects.error} />
      </div>
      {projects.data && all.length === 0 ? (
        <div className="empty">
          <h2>No projects yet</h2>
          <p>
            A project is a home directory, a Linux system of its own and what runs in it. Terminals, files and
            web servers, in the browser.
          </p>
          <Button onClick={() => setCreating(true)}>Make the first project</Button>
        </div>
      ) : null}
      {all.length > 0 ? (
        <table className="list">
          <thead>
            <tr>
              <th>Project</th>
              <th>State</th>
              <th>Host</th>
              <th>Owner</th>
              <th>Last used</th>
              <th>
                <span className="vh">Action</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.map((project) => (
              <ProjectRow key={project.project_id} project={project} />
            ))}
          </tbody>
        </table>
      ) : null}
      {all.length > 0 && shown.length === 0 ? (
        <div className="empty">
          {plural(all.length, "project")}, none called “{filter}”.
        </div>
      ) : null}
      <CreateProject
        opened={creating}
        close={() => setCreating(false)}
        name={shown.length === 0 ? filter : ""}
      />
    </>
  );
}

function ProjectRow({ project }: { project: Project }): ReactNode {
  const [, go] = useLocation();
  const open = () => go(`/projects/${project.project_id}`);
  const start = useMutation({ mutationFn: () => api.projects.start(project.project_id) });
  const name = visible(project.name);
  return (
    <tr className="link" onClick={open}>
      <td>
        <a
          href={`/projects/${project.project_id}`}
          onClick={(event) => {
            event.preventDefault();
            open();
          }}
        >
          <bdi>{name}</bdi>
        </a>
        {project.description ? <div className="sub">{visible(project.description)}</div> : null}
      </td>
      <td>
        <ProjectStateLabel
          state={project.state}
          detail={project.queue_place ? `place ${project.queue_place}` : project.phase}
        />
        {project.problem ? <div className="sub">{project.problem.title}</div> : null}
      </td>
      <td>
        <bdi>{project.host_name ?? "none"}</bdi>
      </td>
      <td>
        <bdi>{visible(project.owner.name)}</bdi>
      </td>
      <td title={project.last_used_at ?? ""}>{ago(project.last_used_at)}</td>
      <td>
        {project.state === "stopped" || project.state === "failed" ? (
          <Button
            variant="default"
            size="xs"
            loading={start.isPending}
            aria-label={`Start ${name}`}
            onClick={(event) => {
              event.stopPropagation();
              start.mutate();
              open();
            }}
          >
            Start
          </Button>
        ) : (
          <Button variant="default" size="xs" aria-label={`Open ${name}`} onClick={open}>
            Open
          </Button>
        )}
      </td>
    </tr>
  );
}

function CreateProject({
  opened,
  close,
  name: suggested,
}: {
  opened: boolean;
  close: () => void;
  name: string;
}): ReactNode {
  const [name, setName] = useState("");
  const [host, setHost] = useState<string | null>(null);
  const [, go] = useLocation();
  const hosts = useQuery({ queryKey: keys.hosts, queryFn: api.hosts.list, enabled: opened, retry: false });
  const create = useMutation({
    async mutationFn() {
      const project = await api.projects.create({
        name: name || suggested,
        ...(host ? { host_id: host } : {}),
      });
      await api.projects.start(project.project_id);
      return project;
    },
    async onSuccess(project) {
      await queryClient.invalidateQueries({ queryKey: keys.projects });
      close();
      go(`/projects/${project.project_id}`);
    },
  });
  const ready = (hosts.data ?? []).filter((one) => one.state === "ready");
  return (
    <Modal opened={opened} onClose={close} title="New project">
      <form
        className="stack"
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          create.mutate();
        }}
      >
        <ErrorBlock error={create.error} />
        <TextInput
          data-autofocus
          label="Name"
          required
          value={name}
          placeholder={suggested}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        {ready.length > 1 ? (
          <Select
            label="Host"
            description="Where it runs; by itself the one with most free memory"
            clearable
            value={host}
            onChange={setHost}
            data={ready.map((one) => ({ value: one.host_id, label: one.name }))}
          />
        ) : null}
        <div className="row" style={{ justifyContent: "flex-end" }}>
          <Button variant="subtle" color="gray" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" loading={create.isPending}>
            Create and open
          </Button>
        </div>
      </form>
    </Modal>
  );
}
