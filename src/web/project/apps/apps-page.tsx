/** Apps of a project: what can be started, what runs, what listens, and who may come by a link. */
import { Button, Menu } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import type { App } from "../../../contract/apps.ts";
import { callProject } from "../../../contract/project-client.ts";
import { api } from "../../api.ts";
import { CommandBlock, ErrorBlock, PageHead, ProblemBlock } from "../../components/blocks.tsx";
import { plural, visible } from "../../components/format.ts";
import { Icon } from "../../components/icons.tsx";
import { AppStateLabel } from "../../components/state.tsx";
import type { HostConnection } from "../../sockets/host-sockets.ts";
import type { SectionProps } from "../sections.tsx";
import { AppLogView } from "./app-log.tsx";
import { EditApp } from "./edit-app.tsx";
import { LinkList, MakeLink } from "./links.tsx";
import { programOf, useApps, usePorts } from "./use-apps.ts";

type Opened =
  | { what: "log"; app: App }
  | { what: "edit"; app: App | undefined }
  | { what: "link"; path: string; title: string };

export default function AppsPage({ project, host }: SectionProps): ReactNode {
  const id = project.project_id;
  const { apps, stop } = useApps(host, id);
  const all = apps.data?.apps ?? [];
  const ports = usePorts(host, id, all);
  const policy = useQuery({ queryKey: ["apps-policy", id], queryFn: () => api.apps.policy(id) });
  const [opened, open] = useState<Opened>();
  const close = () => open(undefined);
  const links = policy.data?.links === true;
  return (
    <>
      <PageHead title="Apps">
        {host ? (
          <Button leftSection={<Icon name="plus" />} onClick={() => open({ what: "edit", app: undefined })}>
            Add an app
          </Button>
        ) : null}
      </PageHead>
      <div className="body">
        {host ? null : <p className="dim">Apps run while the project does. Start it first.</p>}
        <ErrorBlock error={apps.error ?? stop.error ?? policy.error} />
        {apps.data?.problem ? <ProblemBlock problem={apps.data.problem} tone="warn" /> : null}
        {policy.data?.shared ? <SharedNotice projectId={id} /> : null}
      </div>
      <table className="list">
        <thead>
          <tr>
            <th>App</th>
            <th>State</th>
            <th aria-label="Actions" />
          </tr>
        </thead>
        <tbody>
          {all.map((app) => (
            <AppRow
              key={app.name}
              app={app}
              projectId={id}
              host={host}
              links={links}
              open={open}
              stop={stop.mutate}
            />
          ))}
          {ports.map((one) => (
            <tr key={one.port}>
              <td>
                <span className="strong">{visible(programOf(one.command)) || "A program"}</span>
                <div className="sub mono breaks">{visible(one.command)}</div>
              </td>
              <td>
                <AppStateLabel state="running" detail={`listens on port ${one.port}`} />
              </td>
              <td>
                <Actions
                  name={`port ${one.port}`}
                  href={`/${id}/proxy/${one.port}/`}
                  link={
                    links
                      ? () => open({ what: "link", path: `/proxy/${one.port}`, title: `port ${one.port}` })
                      : undefined
                  }
                />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {links ? <LinkList projectId={id} /> : null}
      {host && opened?.what === "log" ? (
        <AppLogView host={host} projectId={id} app={opened.app.name} title={opened.app.title} close={close} />
      ) : null}
      {host && opened?.what === "edit" ? (
        <EditApp host={host} projectId={id} app={opened.app} close={close} />
      ) : null}
      {opened?.what === "link" ? (
        <MakeLink projectId={id} path={opened.path} title={opened.title} close={close} />
      ) : null}
    </>
  );
}

function AppRow({
  app,
  projectId,
  host,
  links,
  open,
  stop,
}: {
  app: App;
  projectId: string;
  host: HostConnection | undefined;
  links: boolean;
  open: (what: Opened) => void;
  stop: (name: string) => void;
}): ReactNode {
  const queries = useQueryClient();
  const forget = useMutation({
    mutationFn: async () =>
      await callProject((host as HostConnection).client, projectId, "apps.define", {
        app: app.name,
        definition: null,
      }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["apps", projectId] }),
  });
  const up = app.state === "running" || app.state === "starting";
  const detail =
    app.state === "running"
      ? app.sessions > 0
        ? `${plural(app.sessions, "connection")} open`
        : "nobody is connected"
      : app.installed || up
        ? undefined
        : "not installed";
  return (
    <tr>
      <td>
        <bdi className="strong">{visible(app.title)}</bdi>
        <div className="sub mono">/apps/{app.name}/</div>
        {app.problem ? <ProblemBlock problem={app.problem} /> : null}
        {!app.installed && !app.problem && app.definition.install ? (
          <details>
            <summary className="sub">How to install it</summary>
            <CommandBlock where="Run in a terminal of the project" command={app.definition.install} prompt />
          </details>
        ) : null}
        <ErrorBlock error={forget.error} />
      </td>
      <td>
        <AppStateLabel state={app.state} {...(detail ? { detail } : {})} />
      </td>
      <td>
        <Actions
          name={app.title}
          verb={up ? "Open" : "Start"}
          href={`/${projectId}/apps/${app.name}/`}
          stop={up ? () => stop(app.name) : undefined}
          log={() => open({ what: "log", app })}
          edit={() => open({ what: "edit", app })}
          forget={app.source === "own" ? () => forget.mutate() : undefined}
          link={links ? () => open({ what: "link", path: `/apps/${app.name}`, title: app.title }) : undefined}
        />
      </td>
    </tr>
  );
}

function Actions({
  name,
  verb = "Open",
  href,
  stop,
  log,
  edit,
  forget,
  link,
}: {
  name: string;
  verb?: "Open" | "Start";
  href: string;
  stop?: (() => void) | undefined;
  log?: () => void;
  edit?: () => void;
  forget?: (() => void) | undefined;
  link?: (() => void) | undefined;
}): ReactNode {
  const more = log || link;
  return (
    <div className="row" style={{ justifyContent: "flex-end", flexWrap: "nowrap" }}>
      <Button
        component="a"
        href={href}
        target="_blank"
        rel="noopener noreferrer"
        variant="default"
        size="xs"
        aria-label={`${verb} ${name}`}
      >
        {verb}
      </Button>
      {stop ? (
        <Button variant="default" size="xs" onClick={stop} aria-label={`Stop ${name}`}>
          Stop
        </Button>
      ) : null}
      {more ? (
        <Menu>
          <Menu.Target>
            <Button variant="subtle" color="gray" size="xs" aria-label={`${name}: more`}>
              <Icon name="more" />
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            {log ? <Menu.Item onClick={log}>Log</Menu.Item> : null}
            {edit ? <Menu.Item onClick={edit}>Change</Menu.Item> : null}
            {link ? <Menu.Item onClick={link}>Link for anyone</Menu.Item> : null}
            {forget ? <Menu.Item onClick={forget}>Take away</Menu.Item> : null}
          </Menu.Dropdown>
        </Menu>
      ) : null}
    </div>
  );
}

function SharedNotice({ projectId }: { projectId: string }): ReactNode {
  const queries = useQueryClient();
  const end = useMutation({
    mutationFn: () => api.apps.share(projectId, false),
    onSuccess: (now) => queries.setQueryData(["apps-policy", projectId], now),
  });
  return (
    <ProblemBlock
      tone="warn"
      problem={{
        code: "apps.shared-origin",
        title: "You let this project's pages share an address with other projects'",
        why: "Its own address could not be reached from your browser. Pages of other projects that you open there can read these and act in them as you.",
        fix: "Once the hub's ports base+10 to base+73 can be reached, take it back.",
      }}
    >
      <ErrorBlock error={end.error} />
      <Button variant="default" size="xs" onClick={() => end.mutate()} loading={end.isPending}>
        Take it back
      </Button>
    </ProblemBlock>
  );
}
