/** What can be done to the chosen files, where the pointer is. */
import { Menu } from "@mantine/core";
import type { ReactNode } from "react";
import { Icon } from "../components/icons.tsx";
import type { FileActions } from "./file-actions.ts";
import type { MenuAt } from "./file-tree.tsx";
import { isFolder } from "./tree-model.ts";

export interface MenuActions {
  open: (path: string) => void;
  download: FileActions["download"];
  rename: (path: string) => void;
  clip: (what: "copy" | "cut" | "paste", paths: readonly string[]) => void;
  trash: (paths: readonly string[]) => void;
  make: (kind: "file" | "folder", folder: string) => void;
  pick: (folder: string) => void;
  search: (folder: string) => void;
}

export function FileMenu({
  at,
  close,
  acted,
  canPaste,
  actions,
}: {
  at: MenuAt;
  close: () => void;
  acted: readonly string[];
  canPaste: boolean;
  actions: MenuActions;
}): ReactNode {
  const { row } = at;
  const one = row && acted.length === 1 ? row : undefined;
  const folder = row === undefined ? "." : isFolder(row.entry) ? row.path : row.folder;
  const item = (icon: Parameters<typeof Icon>[0]["name"], label: string, run: () => void, red = false) => (
    <Menu.Item
      key={label}
      leftSection={<Icon name={icon} />}
      onClick={run}
      {...(red ? { color: "red" } : {})}
    >
      {label}
    </Menu.Item>
  );
  return (
    <Menu opened onClose={close} position="bottom-start" offset={2} returnFocus>
      <Menu.Target>
        <span style={{ position: "fixed", left: at.x, top: at.y, width: 1, height: 1 }} />
      </Menu.Target>
      <Menu.Dropdown>
        {row === undefined ? null : (
          <>
            {one && !isFolder(one.entry) ? item("open", "Open", () => actions.open(one.path)) : null}
            {one && !isFolder(one.entry)
              ? item("download", "Download", () => actions.download(acted, "file"))
              : (["zip", "tar"] as const).map((kind) =>
                  item("download", `Download as ${kind}`, () => actions.download(acted, kind)),
                )}
            {one ? item("pencil", "Rename", () => actions.rename(one.path)) : null}
            {item("copy", "Copy", () => actions.clip("copy", acted))}
            {item("copy", "Cut", () => actions.clip("cut", acted))}
          </>
        )}
        {canPaste ? item("copy", "Paste here", () => actions.clip("paste", [folder])) : null}
        {row === undefined || (one && isFolder(one.entry)) ? (
          <>
            {item("plus", "New file here", () => actions.make("file", folder))}
            {item("folder", "New folder here", () => actions.make("folder", folder))}
            {item("upload", "Upload files here", () => actions.pick(folder))}
            {item("search", "Search here", () => actions.search(folder))}
          </>
        ) : null}
        {row === undefined ? null : item("trash", "Delete", () => actions.trash(acted), true)}
      </Menu.Dropdown>
    </Menu>
  );
}
