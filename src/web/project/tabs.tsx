/** Open terminals (the agent's own list) and files (this browser's), as tabs. */
import { ActionIcon, Menu } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, type ReactNode, useCallback, useEffect, useRef, useState } from "react";
import { callProject } from "../../contract/project-client.ts";
import { projectChangedSchema, type Terminal } from "../../contract/project-services.ts";
import { queryClient } from "../api.ts";
import { visible } from "../components/format.ts";
import { Icon } from "../components/icons.tsx";
import type { HostConnection } from "../sockets/host-sockets.ts";

export interface Tab {
  key: string;
  kind: "terminal" | "file";
  /** Terminal id, or path. */
  id: string;
  title: string;
  dirty: boolean;
}
export interface TabsModel {
  list: Tab[];
  active: string | undefined;
  loaded: boolean;
  error: unknown;
  select(key: string): void;
  close(tab: Tab): Promise<void>;
  rename(tab: Tab, name: string): Promise<void>;
  newTerminal(): Promise<void>;
  openFile(path: string): void;
  setDirty(key: string, dirty: boolean): void;
}

const nameOf = (terminal: Terminal, index: number) =>
  visible(terminal.name || terminal.title || `Terminal ${index + 1}`);

export function useTabs(host: HostConnection, projectId: string): TabsModel {
  const queryKey = ["terminals", projectId];
  const terminals = useQuery({
    queryKey,
    queryFn: async () => (await callProject(host.client, projectId, "terminal.list", {})).terminals,
    staleTime: 5_000,
  });
  const stored = `files ${projectId}`;
  const [files, setFiles] = useState<string[]>(
    () => JSON.parse(localStorage.getItem(stored) ?? "[]") as string[],
  );
  const [active, setActive] = useState<string>();
  const [dirty, setDirtyMap] = useState<Record<string, boolean>>({});
  const [error, setError] = useState<unknown>();
  const again = useCallback(
    () => queryClient.invalidateQueries({ queryKey: ["terminals", projectId] }),
    [projectId],
  );

  useEffect(() => localStorage.setItem(stored, JSON.stringify(files)), [stored, files]);
  useEffect(
    () =>
      host.client.subscribe(`project.${projectId}.changed`, (_subject, data) => {
        if (projectChangedSchema.safeParse(data).success) void again();
      }),
    [host, projectId, again],
  );

  const newTerminal = useCallback(async () => {
    try {
      const made = await callProject(host.client, projectId, "terminal.create", {});
      await again();
      setActive(`t ${made.terminal_id}`);
    } catch (caught) {
      setError(caught);
    }
  }, [host, projectId, again]);

  // A project that has no terminal gets one: a person who opens it wants a prompt.
  const first = useRef(false);
  useEffect(() => {
    if (first.current || terminals.data === undefined) return;
    first.current = true;
    if (terminals.data.length === 0 && files.length === 0) void newTerminal();
  }, [terminals.data, files.length, newTerminal]);

  const list: Tab[] = [
    ...files.map((path) => ({
      key: `f ${path}`,
      kind: "file" as const,
      id: path,
      title: visible(path.split("/").pop() ?? path),
      dirty: dirty[`f ${path}`] ?? false,
    })),
    ...(terminals.data ?? []).map((terminal, index) => ({
      key: `t ${terminal.terminal_id}`,
      kind: "terminal" as const,
      id: terminal.terminal_id,
      title: nameOf(terminal, index),
      dirty: false,
    })),
  ];
  const current = list.some((tab) => tab.key === active) ? active : list[list.length - 1]?.key;

  useEffect(() => {
    const guard = (event: BeforeUnloadEvent) => {
      if (Object.values(dirty).some(Boolean)) event.preventDefault();
    };
    addEventListener("beforeunload", guard);
    return () => removeEventListener("beforeunload", guard);
  }, [dirty]);

  return {
    list,
    active: current,
    loaded: terminals.data !== undefined,
    error: error ?? terminals.error,
    select: setActive,
    newTerminal,
    async close(tab) {
      if (tab.dirty && !confirm(`${tab.title} has changes that are not saved. Close it all the same?`))
        return;
      if (tab.kind === "file") {
        setFiles((now) => now.filter((path) => path !== tab.id));
        setDirtyMap(({ [tab.key]: _gone, ...rest }) => rest);
        return;
      }
      await callProject(host.client, projectId, "terminal.close", { terminal_id: tab.id }).catch(setError);
      await again();
    },
    async rename(tab, name) {
      await callProject(host.client, projectId, "terminal.rename", { terminal_id: tab.id, name }).catch(
        setError,
      );
      await again();
    },
    openFile(path) {
      setFiles((now) => (now.includes(path) ? now : [...now, path]));
      setActive(`f ${path}`);
    },
    setDirty: useCallback(
      (key: string, value: boolean) =>
        setDirtyMap((now) => (now[key] === value ? now : { ...now, [key]: value })),
      [],
    ),
  };
}

export function Tabs({ tabs }: { tabs: TabsModel }): ReactNode {
  const onKey = (event: KeyboardEvent, tab: Tab) => {
    const at = tabs.list.findIndex((one) => one.key === tab.key);
    const next = event.key === "ArrowRight" ? at + 1 : event.key === "ArrowLeft" ? at - 1 : undefined;
    if (event.key === "Delete") void tabs.close(tab);
    else if (next !== undefined && tabs.list[next]) {
      tabs.select(tabs.list[next].key);
      (event.currentTarget.parentElement?.children[next] as HTMLElement | undefined)?.focus();
    }
  };
  const active = tabs.list.find((tab) => tab.key === tabs.active);
  return (
    <div className="tabs">
      <div role="tablist" aria-label="Open terminals and files">
        {tabs.list.map((tab) => (
          <button
            key={tab.key}
            type="button"
            role="tab"
            aria-selected={tab.key === tabs.active}
            tabIndex={tab.key === tabs.active ? 0 : -1}
            onClick={() => tabs.select(tab.key)}
            onKeyDown={(event) => onKey(event, tab)}
          >
            <Icon name={tab.kind === "terminal" ? "terminal" : "file"} />
            <bdi>{tab.title}</bdi>
            {tab.dirty ? <span title="Not saved">●</span> : null}
            <span
              className="x"
              aria-hidden="true"
              title="Close (Delete)"
              onClick={(event) => {
                event.stopPropagation();
                void tabs.close(tab);
              }}
            >
              ×
            </span>
          </button>
        ))}
      </div>
      <ActionIcon
        aria-label="New terminal"
        title="New terminal"
        onClick={() => void tabs.newTerminal()}
        style={{ alignSelf: "center", margin: "0 6px" }}
      >
        <Icon name="plus" />
      </ActionIcon>
      {active?.kind === "terminal" ? (
        <Menu>
          <Menu.Target>
            <ActionIcon aria-label={`More for ${active.title}`} style={{ alignSelf: "center" }}>
              <Icon name="more" />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item
              onClick={() => {
                const name = prompt("Name of the terminal", active.title);
                if (name !== null) void tabs.rename(active, name);
              }}
            >
              Rename
            </Menu.Item>
            <Menu.Item onClick={() => void tabs.close(active)}>Close and end its programs</Menu.Item>
          </Menu.Dropdown>
        </Menu>
      ) : null}
    </div>
  );
}
