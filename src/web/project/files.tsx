/** The project's files as a tree; directories load when they are opened and follow what programs change. */
import { ActionIcon, Menu } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, type ReactNode, useEffect, useState } from "react";
import { callProject, openProject, writeFile } from "../../contract/project-client.ts";
import type { FileInfo } from "../../contract/project-services.ts";
import { queryClient } from "../api.ts";
import { ErrorBlock } from "../components/blocks.tsx";
import { visible } from "../components/format.ts";
import { Icon } from "../components/icons.tsx";
import type { HostConnection } from "../sockets/host-sockets.ts";

interface Context {
  host: HostConnection;
  projectId: string;
  open: (path: string) => void;
  selected: string;
  select: (path: string) => void;
  hidden: boolean;
  fail: (error: unknown) => void;
}

const isDirectory = (file: FileInfo) => file.type === "directory" || file.target_type === "directory";
const join = (dir: string, name: string) => (dir === "." ? name : `${dir}/${name}`);
const listKey = (projectId: string, path: string) => ["files", projectId, path];

export function Files({
  host,
  projectId,
  open,
}: {
  host: HostConnection;
  projectId: string;
  open: (path: string) => void;
}): ReactNode {
  const [selected, select] = useState(".");
  const [hidden, setHidden] = useState(false);
  const [error, fail] = useState<unknown>();
  const context: Context = { host, projectId, open, selected, select, hidden, fail };
  const again = () => queryClient.invalidateQueries({ queryKey: ["files", projectId] });
  const make = async (kind: "file" | "folder") => {
    const name = prompt(kind === "file" ? "Name of the new file" : "Name of the new folder");
    if (!name) return;
    try {
      if (kind === "folder")
        await callProject(host.client, projectId, "files.mkdir", { path: name, parents: true });
      else {
        await writeFile(host.client, projectId, name, "", { etag: null });
        open(name);
      }
      fail(undefined);
    } catch (caught) {
      fail(caught);
    }
    await again();
  };
  return (
    <aside className="ws-files" aria-label="Files">
      <div className="bar">
        <span style={{ flex: 1 }}>Files</span>
        <ActionIcon aria-label="New file" title="New file" onClick={() => void make("file")}>
          <Icon name="plus" />
        </ActionIcon>
        <Menu>
          <Menu.Target>
            <ActionIcon aria-label="More for files">
              <Icon name="more" />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => void make("folder")}>New folder</Menu.Item>
            <Menu.Item onClick={() => setHidden((now) => !now)}>
              {hidden ? "Hide hidden files" : "Show hidden files"}
            </Menu.Item>
            <Menu.Item onClick={() => void again()}>Load again</Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </div>
      <ErrorBlock error={error} />
      <div className="tree" role="tree" aria-label="Files of the project">
        <Directory path="." depth={0} context={context} />
      </div>
    </aside>
  );
}

/** Waits a little after a watch broke, so that a lost connection is not asked in a circle. */
const WATCH_RETRY_MS = 2_000;

function useWatch({ host, projectId }: Context, path: string): void {
  useEffect(() => {
    let live = true;
    let end = () => {};
    const watch = async () => {
      while (live) {
        try {
          const { stream, onMessage } = await openProject(host.client, projectId, "files.watch", { path });
          end = () => stream.end();
          if (!live) stream.end();
          onMessage(() => void queryClient.invalidateQueries({ queryKey: listKey(projectId, path) }));
          stream.onEnd(() => stream.end());
          await new Promise<void>((resolve) => stream.onClose(() => resolve()));
        } catch {
          // asked again below
        }
        await new Promise((resolve) => setTimeout(resolve, WATCH_RETRY_MS));
      }
    };
    void watch();
    return () => {
      live = false;
      end();
    };
  }, [host, projectId, path]);
}

function Directory({ path, depth, context }: { path: string; depth: number; context: Context }): ReactNode {
  const { host, projectId, hidden } = context;
  const list = useQuery({
    queryKey: listKey(projectId, path),
    queryFn: () => callProject(host.client, projectId, "files.list", { path, limit: 1000 }),
    staleTime: 2_000,
  });
  useWatch(context, path);
  if (list.error) return <ErrorBlock error={list.error} />;
  const entries = (list.data?.entries ?? [])
    .filter((entry) => hidden || !entry.name.startsWith("."))
    .sort((a, b) => Number(isDirectory(b)) - Number(isDirectory(a)) || a.name.localeCompare(b.name));
  return (
    <>
      {entries.map((entry) => (
        <Entry key={entry.name} entry={entry} dir={path} depth={depth} context={context} />
      ))}
      {list.data && list.data.total > list.data.entries.length ? (
        <div className="dim" style={{ paddingLeft: 12 }}>
          {list.data.total - list.data.entries.length} more are not shown
        </div>
      ) : null}
      {list.data && entries.length === 0 && depth === 0 ? (
        <div className="dim" style={{ padding: 8 }}>
          No files yet.
        </div>
      ) : null}
    </>
  );
}

function Entry({
  entry,
  dir,
  depth,
  context,
}: {
  entry: FileInfo;
  dir: string;
  depth: number;
  context: Context;
}): ReactNode {
  const [expanded, setExpanded] = useState(false);
  const { host, projectId, fail } = context;
  const path = join(dir, entry.name);
  const folder = isDirectory(entry);
  const again = () => queryClient.invalidateQueries({ queryKey: listKey(projectId, dir) });
  const activate = () => {
    context.select(path);
    if (folder) setExpanded((now) => !now);
    else context.open(path);
  };
  const rename = async () => {
    const to = prompt("New name", entry.name);
    if (!to || to === entry.name) return;
    await callProject(host.client, projectId, "files.rename", { from: path, to: join(dir, to) }).catch(fail);
    await again();
  };
  const remove = async () => {
    if (!confirm(`Delete ${entry.name}${folder ? " and all that is in it" : ""}? It cannot be undone.`))
      return;
    await callProject(host.client, projectId, "files.remove", { path, recursive: folder }).catch(fail);
    await again();
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Enter") activate();
    else if (event.key === "ArrowRight" && folder) setExpanded(true);
    else if (event.key === "ArrowLeft" && folder) setExpanded(false);
    else if (event.key === "F2") void rename();
    else if (event.key === "Delete") void remove();
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const items = [
        ...(event.currentTarget
          .closest('[role="tree"]')
          ?.querySelectorAll<HTMLElement>('[role="treeitem"]') ?? []),
      ];
      items[
        items.indexOf(event.currentTarget as HTMLElement) + (event.key === "ArrowDown" ? 1 : -1)
      ]?.focus();
    } else return;
    event.preventDefault();
  };
  return (
    <>
      <div
        role="treeitem"
        tabIndex={0}
        aria-selected={context.selected === path}
        aria-expanded={folder ? expanded : undefined}
        aria-level={depth + 1}
        style={{ paddingLeft: 6 + depth * 14 }}
        onClick={activate}
        onKeyDown={onKey}
      >
        <span
          style={{ width: 12, display: "inline-flex", transform: expanded ? "rotate(90deg)" : undefined }}
        >
          {folder ? <Icon name="chevron" size={12} /> : null}
        </span>
        <Icon name={folder ? "folder" : "file"} />
        <span className="name" title={visible(path)}>
          <bdi>{visible(entry.name)}</bdi>
        </span>
        <Menu>
          <Menu.Target>
            <ActionIcon
              size="xs"
              tabIndex={-1}
              aria-label={`More for ${visible(entry.name)}`}
              onClick={(event) => event.stopPropagation()}
            >
              <Icon name="more" size={12} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown onClick={(event) => event.stopPropagation()}>
            <Menu.Item leftSection={<Icon name="pencil" />} onClick={() => void rename()}>
              Rename
            </Menu.Item>
            <Menu.Item leftSection={<Icon name="trash" />} color="red" onClick={() => void remove()}>
              Delete
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </div>
      {folder && expanded ? <Directory path={path} depth={depth + 1} context={context} /> : null}
    </>
  );
}
