/** Folders and files as a tree: what is open follows what programs change in it. */
import { ActionIcon, Menu } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, type ReactNode, useEffect, useState } from "react";
import { callProject } from "../../contract/project-client.ts";
import type { FileInfo } from "../../contract/project-services.ts";
import { queryClient } from "../api.ts";
import { ErrorBlock } from "../components/blocks.tsx";
import { askName, askYesNo, checkFileName } from "../components/dialogs.tsx";
import { bytes, visible } from "../components/format.ts";
import { Icon } from "../components/icons.tsx";
import type { HostConnection } from "../sockets/host-sockets.ts";
import { download } from "./transfer.ts";
import { watchPath } from "./watch.ts";

export interface FilesContext {
  host: HostConnection;
  projectId: string;
  open: (path: string) => void;
  /** The path of the item that keys act on. */
  selected: string;
  select: (path: string, folder: boolean) => void;
  expanded: ReadonlySet<string>;
  expand: (path: string, open: boolean) => void;
  hidden: boolean;
  fail: (error: unknown) => void;
  /** A file was renamed or deleted: its tab follows. */
  moved: (from: string, to: string | undefined) => void;
}

const isFolder = (file: FileInfo) => file.type === "directory" || file.target_type === "directory";
export const joinPath = (folder: string, name: string) => (folder === "." ? name : `${folder}/${name}`);
export const parentOf = (path: string) => (path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : ".");
export const loadFolder = (projectId: string, path: string) =>
  queryClient.invalidateQueries({ queryKey: ["files", projectId, path] });

export function Folder({
  path,
  depth,
  context,
}: {
  path: string;
  depth: number;
  context: FilesContext;
}): ReactNode {
  const { host, projectId, hidden } = context;
  const list = useQuery({
    queryKey: ["files", projectId, path],
    queryFn: () => callProject(host.client, projectId, "files.list", { path, limit: 1000 }),
    staleTime: 2_000,
  });
  useEffect(
    () => watchPath(host.client, projectId, path, () => void loadFolder(projectId, path)),
    [host, projectId, path],
  );
  if (list.error && !list.data)
    return (
      <div style={{ padding: 8 }}>
        <ErrorBlock error={list.error} />
      </div>
    );
  const entries = (list.data?.entries ?? [])
    .filter((entry) => hidden || !entry.name.startsWith("."))
    .sort((a, b) => Number(isFolder(b)) - Number(isFolder(a)) || a.name.localeCompare(b.name));
  const indent = { padding: `4px 8px 4px ${24 + depth * 14}px` };
  return (
    <>
      {entries.map((entry, index) => (
        <Entry
          key={entry.name}
          entry={entry}
          folder={path}
          depth={depth}
          context={context}
          // One stop for Tab: what is selected, or the first.
          first={depth === 0 && index === 0}
        />
      ))}
      {list.data && list.data.total > list.data.entries.length ? (
        <div className="dim" style={indent}>
          {list.data.total - list.data.entries.length} more are not shown
        </div>
      ) : null}
      {list.data && entries.length === 0 ? (
        <div className="dim" style={indent}>
          {depth === 0 ? "No files yet: make one, or drop some here." : "empty"}
        </div>
      ) : null}
    </>
  );
}

interface EntryProps {
  entry: FileInfo;
  folder: string;
  depth: number;
  context: FilesContext;
  first: boolean;
}

function Entry({ entry, folder, depth, context, first }: EntryProps): ReactNode {
  const { host, projectId, fail } = context;
  const [menu, setMenu] = useState(false);
  const path = joinPath(folder, entry.name);
  const name = visible(entry.name);
  const isOne = isFolder(entry);
  const expanded = context.expanded.has(path);
  const attempt = async (what: () => Promise<unknown>) => {
    try {
      await what();
      fail(undefined);
    } catch (error) {
      fail(error);
    }
    await loadFolder(projectId, folder);
  };
  const activate = () => {
    context.select(path, isOne);
    if (isOne) context.expand(path, !expanded);
    else context.open(path);
  };
  const rename = async () => {
    const to = await askName({
      title: `Rename ${name}`,
      label: "New name",
      initial: entry.name,
      action: "Rename",
      check: checkFileName,
    });
    if (to === undefined || to === entry.name) return;
    await attempt(async () => {
      await callProject(host.client, projectId, "files.rename", { from: path, to: joinPath(folder, to) });
      context.moved(path, joinPath(folder, to));
    });
  };
  const remove = async () => {
    const yes = await askYesNo({
      title: `Delete ${name}?`,
      text: isOne ? "The folder goes with all that is in it. It cannot be undone." : "It cannot be undone.",
      action: `Delete ${name}`,
      danger: true,
    });
    if (!yes) return;
    await attempt(async () => {
      await callProject(host.client, projectId, "files.remove", { path, recursive: isOne });
      context.moved(path, undefined);
    });
  };
  const onKey = (event: KeyboardEvent) => {
    const items = [
      ...(event.currentTarget.closest('[role="tree"]')?.querySelectorAll<HTMLElement>('[role="treeitem"]') ??
        []),
    ];
    const at = items.indexOf(event.currentTarget as HTMLElement);
    if (event.key === "Enter" || event.key === " ") activate();
    else if (event.key === "ArrowRight" && isOne && !expanded) context.expand(path, true);
    else if (event.key === "ArrowLeft" && isOne && expanded) context.expand(path, false);
    else if (event.key === "F2") void rename();
    else if (event.key === "Delete") void remove();
    else if (event.key === "ArrowDown" || event.key === "ArrowRight") items[at + 1]?.focus();
    else if (event.key === "ArrowUp" || event.key === "ArrowLeft") items[at - 1]?.focus();
    else if (event.key === "Home") items[0]?.focus();
    else if (event.key === "End") items.at(-1)?.focus();
    else return;
    event.preventDefault();
  };
  return (
    <>
      <div
        role="treeitem"
        tabIndex={context.selected === path || (context.selected === "" && first) ? 0 : -1}
        aria-selected={context.selected === path}
        aria-expanded={isOne ? expanded : undefined}
        aria-level={depth + 1}
        style={{ paddingLeft: 6 + depth * 14 }}
        onClick={activate}
        onKeyDown={onKey}
        onContextMenu={(event) => {
          event.preventDefault();
          setMenu(true);
        }}
      >
        <span className="twist" data-open={expanded || undefined}>
          {isOne ? <Icon name="chevron" size={12} /> : null}
        </span>
        <Icon name={isOne ? "folder" : "file"} />
        <span className="name" title={`${visible(path)}${isOne ? "" : `, ${bytes(entry.size)}`}`}>
          <bdi>{name}</bdi>
        </span>
        <Menu opened={menu} onChange={setMenu}>
          <Menu.Target>
            <ActionIcon
              size="xs"
              className="row-more"
              tabIndex={-1}
              aria-label={`More for ${name}`}
              onClick={(event) => event.stopPropagation()}
            >
              <Icon name="more" size={12} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown onClick={(event) => event.stopPropagation()}>
            {isOne ? null : (
              <Menu.Item
                leftSection={<Icon name="download" />}
                onClick={() => void attempt(() => download(host.client, projectId, path))}
              >
                Download
              </Menu.Item>
            )}
            <Menu.Item leftSection={<Icon name="pencil" />} onClick={() => void rename()}>
              Rename
            </Menu.Item>
            <Menu.Item leftSection={<Icon name="trash" />} color="red" onClick={() => void remove()}>
              Delete
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </div>
      {isOne && expanded ? <Folder path={path} depth={depth + 1} context={context} /> : null}
    </>
  );
}
