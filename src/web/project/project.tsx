/** One project: files left, tabs of terminals and editors, what listens below. */
import { Button, Modal, NumberInput, Textarea, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, lazy, type ReactNode, Suspense, useEffect, useMemo, useState } from "react";
import { Link, useLocation } from "wouter";
import type { ClientState } from "../../conat/client.ts";
import type { Me, Project } from "../../contract/api.ts";
import { api, keys, queryClient } from "../api.ts";
import { ErrorBlock, ProblemBlock } from "../components/blocks.tsx";
import { visible } from "../components/format.ts";
import { Icon, Mark } from "../components/icons.tsx";
import { ConnectionBanner } from "../components/shell.tsx";
import { ProjectStateLabel } from "../components/state.tsx";
import { type HostConnection, takeHostSocket } from "../sockets/host-sockets.ts";
import { Files } from "./files.tsx";
import { Ports } from "./ports.tsx";
import { type Tab, Tabs, useTabs } from "./tabs.tsx";

const TerminalPane = lazy(() => import("./terminal.tsx"));
const EditorPane = lazy(() => import("./editor.tsx"));

export default function ProjectView({
  id,
  me,
  connection,
}: {
  id: string;
  me: Me;
  connection: ClientState;
}): ReactNode {
  const projects = useQuery({ queryKey: keys.projects, queryFn: api.projects.list });
  const project = projects.data?.find((one) => one.project_id === id);
  if (projects.error)
    return (
      <div className="notice">
        <ErrorBlock error={projects.error} />
      </div>
    );
  if (!projects.data) return null;
  if (!project) {
    return (
      <main className="notice">
        <h1>There is no such project</h1>
        <p>It was deleted, or it is not yours to see.</p>
        <Link href="/projects">All projects</Link>
      </main>
    );
  }
  return <Workspace key={id} project={project} me={me} connection={connection} />;
}

function useConnection(project: Project): HostConnection | undefined {
  const [connection, setConnection] = useState<HostConnection>();
  const { host_id, state } = project;
  useEffect(() => {
    if (host_id === null || state !== "running") return;
    const mine = takeHostSocket(host_id);
    let live = true;
    // The socket's grant may be older than the project.
    mine
      .renew()
      .catch(() => {})
      .finally(() => {
        if (live) setConnection(mine);
      });
    return () => {
      live = false;
      setConnection(undefined);
      mine.release();
    };
  }, [host_id, state]);
  return connection;
}

function Workspace({
  project,
  me,
  connection,
}: {
  project: Project;
  me: Me;
  connection: ClientState;
}): ReactNode {
  const host = useConnection(project);
  const [settings, setSettings] = useState(false);
  const act = useMutation({
    mutationFn: (verb: "start" | "stop" | "restart") => api.projects[verb](project.project_id),
  });
  const busy = ["starting", "stopping", "queued", "deleting"].includes(project.state);
  return (
    <div className="ws">
      <header className="ws-top">
        <Link href="/projects" aria-label="All projects">
          <Mark />
        </Link>
        <Link href="/projects" className="crumb">
          Projects
        </Link>
        <span className="dim" aria-hidden="true">
          ›
        </span>
        <h1 style={{ fontSize: "0.8125rem" }}>
          <bdi>{visible(project.name)}</bdi>
        </h1>
        <ProjectStateLabel
          state={project.state}
          detail={project.state === "running" ? `on ${project.host_name}` : project.phase}
        />
        <span style={{ flex: 1 }} />
        {project.state === "running" ? (
          <Button variant="default" size="xs" onClick={() => act.mutate("stop")} loading={act.isPending}>
            Stop
          </Button>
        ) : null}
        {project.state === "stopped" || project.state === "failed" ? (
          <Button size="xs" onClick={() => act.mutate("start")} loading={act.isPending || busy}>
            Start
          </Button>
        ) : null}
        <Button
          variant="default"
          size="xs"
          leftSection={<Icon name="settings" />}
          onClick={() => setSettings(true)}
        >
          Settings
        </Button>
      </header>
      {project.state === "running" && host ? (
        <Running project={project} me={me} host={host} connection={connection} />
      ) : (
        <main className="ws-main" id="page">
          <ConnectionBanner connection={connection} />
          <div className="notice">
            <ErrorBlock error={act.error} />
            <NotRunning project={project} start={() => act.mutate("start")} />
          </div>
        </main>
      )}
      {project.state === "running" && host ? null : <footer className="ws-foot" />}
      <ProjectSettings project={project} opened={settings} close={() => setSettings(false)} />
    </div>
  );
}

function NotRunning({ project, start }: { project: Project; start: () => void }): ReactNode {
  if (project.state === "failed" && project.problem) {
    return (
      <ProblemBlock problem={project.problem}>
        <Button onClick={start}>Start again</Button>
      </ProblemBlock>
    );
  }
  if (project.state === "away") {
    return (
      <ProblemBlock
        tone="warn"
        problem={{
          code: "host.away",
          title: `${project.host_name ?? "Its host"} does not answer`,
          why: "What ran there may still be running.",
          fix: "It connects again by itself; this page goes on then.",
        }}
      />
    );
  }
  if (project.state === "stopped") {
    return (
      <div className="stack">
        <h2>This project is stopped</h2>
        <p className="dim">Its files are kept. Start it to open terminals, files and web servers.</p>
        <div>
          <Button onClick={start}>Start</Button>
        </div>
      </div>
    );
  }
  return (
    <div className="stack" role="status">
      <ProjectStateLabel
        state={project.state}
        detail={project.queue_place ? `place ${project.queue_place} in line` : project.phase}
      />
    </div>
  );
}

function Running({
  project,
  me,
  host,
  connection,
}: {
  project: Project;
  me: Me;
  host: HostConnection;
  connection: ClientState;
}): ReactNode {
  const id = project.project_id;
  const tabs = useTabs(host, id);
  const [away, setAway] = useState(false);
  useEffect(() => host.onState((state) => setAway(state.state === "waiting")), [host]);
  return (
    <>
      <div className="ws-mid">
        <Files host={host} projectId={id} open={tabs.openFile} />
        <main className="ws-main" id="page">
          <ConnectionBanner connection={connection} />
          {away && connection.state !== "waiting" ? (
            <div className="banner" role="alert">
              The project's host does not answer. Trying again by itself; terminals go on where they were.
            </div>
          ) : null}
          <Tabs tabs={tabs} />
          <ErrorBlock error={tabs.error} />
          <div className="pane">
            <Suspense fallback={null}>
              {tabs.list.map((tab) => (
                <div
                  key={tab.key}
                  className="fill"
                  role="tabpanel"
                  aria-label={tab.title}
                  style={{ visibility: tab.key === tabs.active ? "visible" : "hidden" }}
                >
                  <Pane
                    tab={tab}
                    host={host}
                    projectId={id}
                    active={tab.key === tabs.active}
                    dirty={(value) => tabs.setDirty(tab.key, value)}
                    onNewTerminal={() => void tabs.newTerminal()}
                  />
                </div>
              ))}
            </Suspense>
            {tabs.list.length === 0 && tabs.loaded ? (
              <div className="notice stack">
                <h2>Nothing is open</h2>
                <p className="dim">Open a file on the left, or a terminal.</p>
                <div>
                  <Button onClick={() => void tabs.newTerminal()}>New terminal</Button>
                </div>
              </div>
            ) : null}
          </div>
        </main>
      </div>
      <Ports host={host} projectId={id} me={me} />
    </>
  );
}

function Pane({
  tab,
  host,
  projectId,
  active,
  dirty,
  onNewTerminal,
}: {
  tab: Tab;
  host: HostConnection;
  projectId: string;
  active: boolean;
  dirty: (value: boolean) => void;
  onNewTerminal: () => void;
}): ReactNode {
  return tab.kind === "terminal" ? (
    <TerminalPane
      client={host.client}
      projectId={projectId}
      terminalId={tab.id}
      title={tab.title}
      active={active}
      onNewTerminal={onNewTerminal}
    />
  ) : (
    <EditorPane client={host.client} projectId={projectId} path={tab.id} active={active} onDirty={dirty} />
  );
}

const MIB = 2 ** 20;

function ProjectSettings({
  project,
  opened,
  close,
}: {
  project: Project;
  opened: boolean;
  close: () => void;
}): ReactNode {
  const [, go] = useLocation();
  const initial = useMemo(
    () => ({
      name: project.name,
      description: project.description,
      memory: project.limits.memory_bytes / MIB,
      cpus: project.limits.cpus,
    }),
    [project],
  );
  const [form, setForm] = useState(initial);
  const [confirm, setConfirm] = useState("");
  const save = useMutation({
    mutationFn: () =>
      api.projects.update(project.project_id, {
        name: form.name,
        description: form.description,
        limits: { memory_bytes: form.memory * MIB, cpus: form.cpus },
      }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: keys.projects }),
  });
  const remove = useMutation({
    mutationFn: () => api.projects.remove(project.project_id),
    onSuccess: () => go("/projects"),
  });
  return (
    <Modal opened={opened} onClose={close} title="Project settings" size="lg">
      <form
        className="stack"
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          save.mutate();
        }}
      >
        <ErrorBlock error={save.error ?? remove.error} />
        <TextInput
          label="Name"
          required
          value={form.name}
          onChange={(event) => {
            const { value } = event.currentTarget;
            setForm((now) => ({ ...now, name: value }));
          }}
        />
        <Textarea
          label="Description"
          value={form.description}
          onChange={(event) => {
            const { value } = event.currentTarget;
            setForm((now) => ({ ...now, description: value }));
          }}
        />
        <div className="row">
          <NumberInput
            label="Memory, MiB"
            min={64}
            value={form.memory}
            onChange={(value) => setForm((now) => ({ ...now, memory: Number(value) }))}
          />
          <NumberInput
            label="CPUs"
            min={0.1}
            step={0.5}
            value={form.cpus}
            onChange={(value) => setForm((now) => ({ ...now, cpus: Number(value) }))}
          />
        </div>
        <p className="dim" style={{ margin: 0 }}>
          Limits take effect at the next start.
        </p>
        <div>
          <Button type="submit" loading={save.isPending}>
            Save
          </Button>
        </div>
      </form>
      <h2 style={{ margin: "24px 0 8px" }}>Delete this project</h2>
      <div className="stack">
        <p className="dim" style={{ margin: 0 }}>
          All its files are lost. There is no backup yet. Type its name to confirm.
        </p>
        <div className="row">
          <TextInput
            aria-label="Name of the project, to confirm"
            value={confirm}
            onChange={(event) => setConfirm(event.currentTarget.value)}
          />
          <Button
            color="red"
            disabled={confirm !== project.name}
            loading={remove.isPending}
            onClick={() => remove.mutate()}
          >
            Delete {visible(project.name)}
          </Button>
        </div>
      </div>
    </Modal>
  );
}
