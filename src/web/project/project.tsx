/** One project: its page while it runs, and while it does not. */
import { Button, Menu } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import { Link } from "wouter";
import type { ClientState } from "../../conat/client.ts";
import type { Me, Project } from "../../contract/api.ts";
import { api, keys } from "../api.ts";
import { ErrorBlock } from "../components/blocks.tsx";
import { askYesNo } from "../components/dialogs.tsx";
import { visible } from "../components/format.ts";
import { Icon, Mark } from "../components/icons.tsx";
import { type Command, Palette } from "../components/palette.tsx";
import { ConnectionBanner } from "../components/shell.tsx";
import { ProjectStateLabel } from "../components/state.tsx";
import { type HostConnection, takeHostSocket } from "../sockets/host-sockets.ts";
import { NotRunning } from "./not-running.tsx";
import { Panes } from "./panes.tsx";
import { ProjectSettings } from "./project-settings.tsx";

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
  return <Workspace key={id} project={project} me={me} connection={connection} />;
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
  me,
  connection,
}: {
  project: Project;
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
    const before = document.title;
    document.title = `${name} – ${me.hub.name}`;
    return () => {
      document.title = before;
    };
  }, [name, me.hub.name]);
  const running = project.state === "running";
  const startable = project.state === "stopped" || project.state === "failed" || project.state === "archived";
  const end = async (verb: "stop" | "restart") => {
    const yes = await askYesNo({
      title: verb === "stop" ? `Stop ${name}?` : `Restart ${name}?`,
      text: "All that runs in it ends, for everybody who uses it. Its files stay.",
      action: verb === "stop" ? "Stop it" : "Restart it",
    });
    if (yes) act.mutate(verb);
  };
  const commands: Command[] = [
    ...(running
      ? [
          { name: `Stop ${name}`, icon: "stop" as const, run: () => void end("stop") },
          { name: `Restart ${name}`, icon: "refresh" as const, run: () => void end("restart") },
        ]
      : []),
    ...(startable ? [{ name: `Start ${name}`, icon: "open" as const, run: () => act.mutate("start") }] : []),
    { name: `Settings of ${name}`, icon: "settings", run: () => setSettings(true) },
  ];
  return (
    <div className="ws">
      <header className="ws-top">
        <Link href="/projects" aria-label="All projects">
          <Mark />
        </Link>
        <Link href="/projects" className="crumb">
          Projects
        </Link>
        <span className="dim crumb" aria-hidden="true">
          ›
        </span>
        <h1>
          <bdi>{name}</bdi>
        </h1>
        <span className="pill">
          <ProjectStateLabel
            state={project.state}
            detail={running ? `on ${project.host_name ?? "its host"}` : project.phase}
          />
        </span>
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
      </header>
      {host ? (
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
          <main className="ws-main" id="page">
            <ConnectionBanner connection={connection} />
            <div className="notice">
              <ErrorBlock error={act.error} />
              {running ? null : <NotRunning project={project} start={() => act.mutate("start")} />}
            </div>
          </main>
          <footer className="ws-foot" />
        </>
      )}
      <ProjectSettings project={project} opened={settings} close={() => setSettings(false)} />
    </div>
  );
}
