import { Button, Modal, Select, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useRef, useState } from "react";
import { Link, useLocation } from "wouter";
import type { Project } from "../../contract/api.ts";
import { api, keys, queryClient } from "../api.ts";
import { ErrorBlock, PageHead } from "../components/blocks.tsx";
import { Faces } from "../components/faces.tsx";
import { ago, plural, visible } from "../components/format.ts";
import { Icon } from "../components/icons.tsx";
import { useKeys } from "../components/keys.ts";
import { ProjectStateLabel } from "../components/state.tsx";

type Only = "all" | "running" | "mine" | "trouble";
const FILTERS: Record<Only, { label: string; has: (project: Project) => boolean }> = {
  all: { label: "All", has: () => true },
  running: { label: "Running", has: (one) => one.state === "running" },
  mine: { label: "Mine", has: (one) => one.role === "owner" },
  trouble: { label: "Need a look", has: (one) => one.state === "failed" || one.state === "away" },
};
const byLastUse = (a: Project, b: Project) =>
  Date.parse(b.last_used_at ?? b.created_at) - Date.parse(a.last_used_at ?? a.created_at);

export default function ProjectsView(): ReactNode {
  const projects = useQuery({ queryKey: keys.projects, queryFn: api.projects.list });
  const [filter, setFilter] = useState("");
  const [creating, setCreating] = useState(false);
  const [only, setOnly] = useState<Only>("all");
  const field = useRef<HTMLInputElement>(null);
  const create = () => setCreating(true);
  useKeys({ N: create, "/": () => field.current?.focus() });
  const all = projects.data ?? [];
  const needle = filter.trim().toLowerCase();
  const matching = all.filter((one) =>
    `${one.name} ${one.description} ${one.owner.name} ${one.host_name ?? ""}`.toLowerCase().includes(needle),
  );
  const shown = matching.filter(FILTERS[only].has).sort(byLastUse);
  const running = all.filter(FILTERS.running.has).length;
  return (
    <>
      <PageHead
        title="Projects"
        note={all.length > 0 ? `${plural(all.length, "project")}, ${running} running` : undefined}
      >
        <Button leftSection={<Icon name="plus" />} onClick={() => setCreating(true)}>
          New project
        </Button>
      </PageHead>
      {all.length > 0 ? (
        <div className="toolbar">
          {(Object.keys(FILTERS) as Only[]).map((key) => (
            <button
              key={key}
              type="button"
              className="filter"
              aria-pressed={only === key}
              onClick={() => setOnly(key)}
            >
              {FILTERS[key].label} <span className="count">{matching.filter(FILTERS[key].has).length}</span>
            </button>
          ))}
          <span style={{ flex: 1 }} />
          <TextInput
            ref={field}
            aria-label="Search projects"
            placeholder="Name, person or host"
            leftSection={<Icon name="search" />}
            value={filter}
            onChange={(event) => setFilter(event.currentTarget.value)}
          />
        </div>
      ) : null}
      {projects.error && !projects.data ? (
        <div className="body">
          <ErrorBlock error={projects.error} />
        </div>
      ) : null}
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
        <table className="list projects">
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
          <p>
            {needle === ""
              ? `None of your ${plural(all.length, "project")} is here.`
              : `${plural(all.length, "project")}, and none here fits “${filter}”.`}
          </p>
          {needle === "" ? null : (
            <Button variant="default" onClick={() => setCreating(true)}>
              Make a project called “{filter.trim()}”
            </Button>
          )}
        </div>
      ) : null}
      <CreateProject
        opened={creating}
        close={() => setCreating(false)}
        name={all.length > 0 && shown.length === 0 ? filter.trim() : ""}
      />
    </>
  );
}

function ProjectRow({ project }: { project: Project }): ReactNode {
  const [, go] = useLocation();
  const open = () => go(`/projects/${project.project_id}`);
  const start = useMutation({ mutationFn: () => api.projects.start(project.project_id) });
  const name = visible(project.name);
  const under =
    project.problem?.title ?? (project.queue_place ? `${project.queue_place}. in line` : project.phase);
  return (
    <tr className="link" onClick={open}>
      <td>
        <Link
          href={`/projects/${project.project_id}`}
          className="strong"
          onClick={(event) => event.stopPropagation()}
        >
          <bdi>{name}</bdi>
        </Link>
        <Faces projectId={project.project_id} />
        {project.description ? <div className="sub">{visible(project.description)}</div> : null}
      </td>
      <td>
        <ProjectStateLabel state={project.state} />
        {under ? <div className="sub under">{under}</div> : null}
      </td>
      <td>
        <bdi>{project.host_name ?? "none"}</bdi>
      </td>
      <td>
        <bdi>{visible(project.owner.name)}</bdi>
      </td>
      <td title={project.last_used_at ?? ""}>{ago(project.last_used_at)}</td>
      <td>
        {project.state === "stopped" ? (
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
          <Button
            variant="default"
            size="xs"
            aria-label={`${project.state === "failed" ? "See why" : "Open"} ${name}`}
            onClick={(event) => {
              event.stopPropagation();
              open();
            }}
          >
            {project.state === "failed" ? "See why" : "Open"}
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
  const [description, setDescription] = useState("");
  const [host, setHost] = useState<string | null>(null);
  const [image, setImage] = useState<string | null>(null);
  const images = useQuery({ queryKey: keys.images, queryFn: api.images.list, enabled: opened, retry: false });
  const [, go] = useLocation();
  const hosts = useQuery({ queryKey: keys.hosts, queryFn: api.hosts.list, enabled: opened, retry: false });
  const create = useMutation({
    async mutationFn() {
      const project = await api.projects.create({
        name: name.trim() || suggested,
        ...(description.trim() ? { description: description.trim() } : {}),
        ...(host ? { host_id: host } : {}),
        ...(image ? { image } : {}),
      });
      await api.projects.start(project.project_id);
      return project;
    },
    async onSuccess(project) {
      await queryClient.invalidateQueries({ queryKey: keys.projects });
      setName("");
      setDescription("");
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
          required={suggested === ""}
          value={name}
          placeholder={suggested}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <TextInput
          label="Description"
          description="If a name does not say it all"
          value={description}
          onChange={(event) => setDescription(event.currentTarget.value)}
        />
        {ready.length > 1 ? (
          <Select
            label="Host"
            description="Where it runs; left empty, the hub chooses"
            clearable
            value={host}
            onChange={setHost}
            data={ready.map((one) => ({ value: one.host_id, label: one.name }))}
          />
        ) : null}
        {(images.data ?? []).length > 1 ? (
          <Select
            label="Image"
            description={
              image === "system"
                ? "Its host’s own programs, read-only, under what it installs itself; moving it asks first"
                : "The root file system that it begins with; base unless you choose"
            }
            clearable
            value={image}
            onChange={setImage}
            data={(images.data ?? []).map((one) => one.image)}
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
