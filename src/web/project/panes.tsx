/** A running project: files left, tabs of terminals and editors, what listens below. */
import { Button } from "@mantine/core";
import { lazy, type ReactNode, Suspense, useEffect, useState } from "react";
import type { ClientState } from "../../conat/client.ts";
import type { Me, Project } from "../../contract/api.ts";
import { ErrorBlock } from "../components/blocks.tsx";
import { useKeys } from "../components/keys.ts";
import { ConnectionBanner } from "../components/shell.tsx";
import type { HostConnection } from "../sockets/host-sockets.ts";
import { FilePane } from "./file-pane.tsx";
import { Files } from "./files.tsx";
import { Ports } from "./ports.tsx";
import { Tabs } from "./tabs.tsx";
import { type TabsModel, useTabs } from "./tabs-model.ts";
import { Transfers } from "./transfers.tsx";

const TerminalPane = lazy(() => import("./terminal.tsx"));

/** A break shorter than this mends itself before anybody has read about it. */
const BANNER_AFTER_MS = 1_500;

function useHostAway(host: HostConnection): boolean {
  const [away, setAway] = useState(false);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = host.onState((state) => {
      clearTimeout(timer);
      if (state.state === "connected") setAway(false);
      else timer = setTimeout(() => setAway(true), BANNER_AFTER_MS);
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [host]);
  return away;
}

export function Panes({
  project,
  me,
  host,
  connection,
  showFiles,
  hideFiles,
}: {
  project: Project;
  me: Me;
  host: HostConnection;
  connection: ClientState;
  /** On a narrow screen files and panes take turns. */
  showFiles: boolean;
  hideFiles: () => void;
}): ReactNode {
  const id = project.project_id;
  const tabs = useTabs(host, id);
  const away = useHostAway(host) || project.state === "away";
  const select = (index: number) => {
    const tab = tabs.list[index];
    if (tab) tabs.select(tab.key);
  };
  useKeys({
    "Ctrl+Shift+Backquote": () => void tabs.newTerminal(),
    ...Object.fromEntries(Array.from({ length: 9 }, (_, n) => [`Alt+${n + 1}`, () => select(n)])),
  });
  return (
    <>
      <div className="ws-mid" data-files={showFiles || undefined}>
        <Files
          host={host}
          projectId={id}
          open={(path) => {
            tabs.openFile(path);
            hideFiles();
          }}
          moved={tabs.fileMoved}
        />
        <main className="ws-main" id="page">
          <ConnectionBanner connection={connection} />
          {away && connection.state !== "waiting" ? (
            <div className="banner" role="alert">
              {project.host_name ?? "The project's host"} does not answer. What runs there may still be
              running. Trying again by itself; terminals go on where they were, and nothing you typed in an
              editor is lost.
            </div>
          ) : null}
          <Tabs tabs={tabs} />
          {tabs.error ? (
            <div style={{ padding: "12px 12px 0" }}>
              <ErrorBlock error={tabs.error} />
            </div>
          ) : null}
          <div className="pane">
            <Suspense fallback={null}>
              <Opened tabs={tabs} host={host} projectId={id} />
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
      <Ports host={host} projectId={id} me={me}>
        <Transfers projectId={id} />
      </Ports>
    </>
  );
}

/** What was looked at once stays as it was left; a terminal that nobody looked at is not attached. */
function Opened({
  tabs,
  host,
  projectId,
}: {
  tabs: TabsModel;
  host: HostConnection;
  projectId: string;
}): ReactNode {
  const [seen, setSeen] = useState<ReadonlySet<string>>(new Set());
  const { active } = tabs;
  useEffect(() => {
    if (active !== undefined) setSeen((now) => (now.has(active) ? now : new Set([...now, active])));
  }, [active]);
  return tabs.list
    .filter((tab) => tab.key === active || seen.has(tab.key))
    .map((tab) => (
      <div
        key={tab.key}
        className="fill"
        role="tabpanel"
        aria-label={tab.title}
        style={{ visibility: tab.key === active ? "visible" : "hidden" }}
      >
        {tab.kind === "terminal" ? (
          <TerminalPane
            client={host.client}
            projectId={projectId}
            terminalId={tab.id}
            title={tab.title}
            active={tab.key === active}
            onNewTerminal={() => void tabs.newTerminal()}
          />
        ) : (
          <FilePane
            client={host.client}
            projectId={projectId}
            path={tab.id}
            active={tab.key === active}
            onDirty={(value) => tabs.setDirty(tab.key, value)}
            onMoved={(to) => tabs.fileMoved(tab.id, to)}
          />
        )}
      </div>
    ));
}
