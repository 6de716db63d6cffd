/** One project: its page while it runs, and while it does not. */
import { Button, Menu } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { lazy, type ReactNode, Suspense, useEffect, useState } from "react";
import { Link } from "wouter";
import type { ClientState } from "../../conat/client.ts";
import type { Me, Project } from "../../contract/api.ts";
import { api, keys } from "../api.ts";
import { ErrorBlock } from "../components/blocks.tsx";
import { askYesNo } from "../components/dialogs.tsx";
import { Faces } from "../components/faces.tsx";
import { visible } from "../components/format.ts";
import { Icon, Mark } from "../components/icons.tsx";
import { type Command, Palette } from "../components/palette.tsx";
import { ConnectionBanner } from "../components/shell.tsx";
import { ProjectStateLabel } from "../components/state.tsx";
import { setHere } from "../presence.ts";
import { type HostConnection, takeHostSocket } from "../sockets/host-sockets.ts";
import { NotRunning } from "./not-running.tsx";
import { Panes } from "./panes.tsx";
import { ProjectSettings } from "./project-settings.tsx";
import { Rail, type Section, type SectionProps, sectionOf } from "./sections.tsx";

const Viewer = lazy(() => import("./viewer.tsx"));

export default function ProjectView({
  id,
  section,
  me,
  connection,
}: {
  id: string;
  /** Of {@link sectionOf}; files and terminals without one. */
  section: string | undefined;
  me: Me;
  connection: ClientState;
}): ReactNode {
  const projects = useQuery({ queryKey: keys.projects, queryFn: api.projects.list });
  const project = projects.data?.find((one) => one.project_id === id);
  // A list that could not be asked for again is still the last that is known.
  if (!projects.data) {
    return projects.error ? (
      <main className="notice">
        <ErrorBlock error={projects.error} />
      </main>
    ) : null;
  }
  if (!project) {
    return (
      <main className="notice">
        <h1>There is no such project</h1>
        <p>It was deleted, or it is not yours to see.</p>
        <Link href="/projects">All projects</Link>
      </main>
    );
  }
  return (
    <Workspace
      key={id}
      project={project}
      section={sectionOf(section, project.role)}
      me={me}
      connection={connection}
    />
  );
}

/** Kept while the host is away: it comes back by itself, and editors hold what was typed. */
function useHost(project: Project): HostConnection | undefined {
  const [host, setHost] = useState<HostConnection>();
  const { host_id } = project;
  const live = project.state === "running" || project.state === "away";
  useEffect(() => {
    if (host_id === null || !live) return;
    const mine = takeHostSocket(host_id);
    let wanted = true;
    // The socket's rights may be older than the project.
    mine
      .renew()
      .catch(() => {
        // Whatever is asked for next says why it is refused.
      })
      .finally(() => {
        if (wanted) setHost(mine);
      });
    return () => {
      wanted = false;
      setHost(undefined);
      mine.release();
    };
  }, [host_id, live]);
  return host;
}

function Workspace({
  project,
  section,
  me,
  connection,
}: {
  project: Project;
  section: Section | undefined;
  me: Me;
  connection: ClientState;
}): ReactNode {
  const host = useHost(project);
  const [settings, setSettings] = useState(false);
  const [showFiles, setShowFiles] = useState(false);
  const act = useMutation({
    mutationFn: (verb: "start" | "stop" | "restart") => api.projects[verb](project.project_id),
  });
  const name = visible(project.name);
  useEffect(() => {
    setHere(project.project_id);
    return () => setHere(null);
  }, [project.project_id]);
  useEffect(() => {
    const before = document.title;
    document.title = `${name} – ${me.hub.name}`;
    return () => {
      document.title = before;
    };
  }, [name, me.hub.name]);
  const plus = me.hub.product === "plus";
  const viewer = project.role === "viewer";
  const running = project.state === "running";
  const startable = !viewer && ["stopped", "failed"].includes(project.state);
  const end = async (verb: "stop" | "restart") => {
    const yes = await askYesNo({
      title: verb === "stop" ? `Stop ${name}?` : `Restart ${name}?`,
      text: plus
        ? "All that runs in it ends. Your files stay."
        : "All that runs in it ends, for everybody who uses it. Its files stay.",
      action: verb === "stop" ? "Stop it" : "Restart it",
    });
    if (yes) act.mutate(verb);
  };
  const commands: Command[] = [
    ...(running && !viewer
      ? [
          { name: `Stop ${name}`, icon: "stop" as const, run: () => void end("stop") },
          { name: `Restart ${name}`, icon: "refresh" as const, run: () => void end("restart") },
        ]
      : []),
    ...(startable ? [{ name: `Start ${name}`, icon: "open" as const, run: () => act.mutate("start") }] : []),
    ...(viewer
      ? []
      : [{ name: `Settings of ${name}`, icon: "settings" as const, run: () => setSettings(true) }]),
  ];
  return (
    <div className="ws">
      <header className="ws-top">
        <Link href={plus ? "/health" : "/projects"} aria-label={plus ? "About this CoCalc" : "All projects"}>
          <Mark />
        </Link>
        {plus ? null : (
          <>
            <Link href="/projects" className="crumb">
              Projects
            </Link>
            <span className="dim crumb" aria-hidden="true">
              ›
            </span>
          </>
        )}
        <h1>
          <bdi>{name}</bdi>
        </h1>
        <span className="pill">
          <ProjectStateLabel
            state={project.state}
            detail={
              running ? (plus ? "on this machine" : `on ${project.host_name ?? "its host"}`) : project.phase
            }
          />
        </span>
        <Faces projectId={project.project_id} except={me.account_id} />
        <span style={{ flex: 1 }} />
        <Palette me={me} commands={commands} compact />
        <span style={{ flex: 1 }} />
        {host ? (
          <Button
            className="phone"
            variant="default"
            size="xs"
            aria-pressed={showFiles}
            onClick={() => setShowFiles((now) => !now)}
          >
            Files
          </Button>
        ) : null}
        {startable ? (
          <Button size="xs" onClick={() => act.mutate("start")} loading={act.isPending}>
            Start
          </Button>
        ) : null}
        {viewer ? null : (
          <Menu>
            <Menu.Target>
              <Button
                variant="default"
                size="xs"
                aria-label={`Project ${name}: more`}
                leftSection={<Icon name="settings" />}
                loading={act.isPending && !startable}
              >
                Project
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item leftSection={<Icon name="settings" />} onClick={() => setSettings(true)}>
                Settings
              </Menu.Item>
              {running ? (
                <>
                  <Menu.Item leftSection={<Icon name="refresh" />} onClick={() => void end("restart")}>
                    Restart
                  </Menu.Item>
                  <Menu.Item leftSection={<Icon name="stop" />} onClick={() => void end("stop")}>
                    Stop
                  </Menu.Item>
                </>
              ) : null}
            </Menu.Dropdown>
          </Menu>
        )}
      </header>
      {running && project.problem ? (
        <div className="banner" role="alert">
          {project.problem.title}. {project.problem.fix}
        </div>
      ) : null}
      {project.isolated || plus ? null : (
        <div className="banner" role="note">
          This project is not isolated: its host has no containers, so whoever uses another project there can
          read its files.
        </div>
      )}
      <div className="ws-room" data-panel={section?.place === "panel" || undefined}>
        <Rail project={project} current={section} plus={plus} />
        {/* Terminals and editors stay as they are while another page is looked at. */}
        <div className="ws-work" hidden={section?.place === "page"}>
          {host && viewer ? (
            <main className="ws-main" id={section?.place === "page" ? undefined : "page"}>
              <ConnectionBanner connection={connection} />
              <Suspense fallback={null}>
                <Viewer project={project} host={host} />
              </Suspense>
            </main>
          ) : host ? (
            <Panes
              project={project}
              me={me}
              host={host}
              connection={connection}
              showFiles={showFiles}
              hideFiles={() => setShowFiles(false)}
            />
          ) : (
            <>
              <main className="ws-main" id={section?.place === "page" ? undefined : "page"}>
                <ConnectionBanner connection={connection} />
                <div className="notice">
                  <ErrorBlock error={act.error} />
                  {running ? null : <NotRunning project={project} start={() => act.mutate("start")} />}
                </div>
              </main>
              <footer className="ws-foot" />
            </>
          )}
        </div>
        {section ? (
          <SectionRoom section={section} project={project} me={me} host={host} connection={connection} />
        ) : null}
      </div>
      <ProjectSettings project={project} plus={plus} opened={settings} close={() => setSettings(false)} />
    </div>
  );
}

function SectionRoom({
  section,
  connection,
  ...props
}: SectionProps & { section: Section; connection: ClientState }): ReactNode {
  const View = section.view;
  const room = (
    <Suspense fallback={null}>
      <View {...props} />
    </Suspense>
  );
  if (section.place === "panel") {
    return (
      <aside className="ws-panel" aria-label={section.label}>
        {room}
      </aside>
    );
  }
  return (
    <main className="ws-page" id="page">
      <ConnectionBanner connection={connection} />
      {room}
    </main>
  );
}
