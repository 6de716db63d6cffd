/** The project's files: the tree, and what brings new ones. */
import { ActionIcon, Menu } from "@mantine/core";
import { type DragEvent, type ReactNode, useRef, useState } from "react";
import { callProject, writeFile } from "../../contract/project-client.ts";
import { queryClient } from "../api.ts";
import { ErrorBlock } from "../components/blocks.tsx";
import { askName, checkFileName } from "../components/dialogs.tsx";
import { Icon } from "../components/icons.tsx";
import type { HostConnection } from "../sockets/host-sockets.ts";
import { type FilesContext, Folder, joinPath, loadFolder, parentOf } from "./file-tree.tsx";
import { upload } from "./transfer.ts";

export function Files({
  host,
  projectId,
  open,
  moved,
}: {
  host: HostConnection;
  projectId: string;
  open: (path: string) => void;
  moved: (from: string, to: string | undefined) => void;
}): ReactNode {
  const [selected, setSelected] = useState("");
  /** Where new things go. */
  const [folder, setFolder] = useState(".");
  const [expanded, setExpanded] = useState<ReadonlySet<string>>(new Set());
  const [hidden, setHidden] = useState(false);
  const [error, fail] = useState<unknown>();
  const [progress, setProgress] = useState<string>();
  const [dropping, setDropping] = useState(false);
  const picker = useRef<HTMLInputElement>(null);
  const expand = (path: string, wanted: boolean) => {
    setExpanded((now) => {
      const next = new Set(now);
      if (wanted) next.add(path);
      else next.delete(path);
      return next;
    });
    // What is no longer shown cannot stay the one that Tab reaches.
    if (!wanted && selected.startsWith(`${path}/`)) setSelected(path);
  };
  const context: FilesContext = {
    host,
    projectId,
    open,
    selected,
    select(path, isOne) {
      setSelected(path);
      setFolder(isOne ? path : parentOf(path));
    },
    expanded,
    expand,
    hidden,
    fail,
    moved(from, to) {
      setSelected("");
      setFolder(parentOf(from));
      moved(from, to);
    },
  };
  const where = folder === "." ? "the home folder" : folder;
  const make = async (kind: "file" | "folder") => {
    const name = await askName({
      title: `New ${kind} in ${where}`,
      label: "Name",
      action: `Make the ${kind}`,
      check: checkFileName,
    });
    if (name === undefined) return;
    const path = joinPath(folder, name);
    try {
      if (kind === "folder") await callProject(host.client, projectId, "files.mkdir", { path });
      else {
        await writeFile(host.client, projectId, path, "", { etag: null });
        open(path);
      }
      if (folder !== ".") expand(folder, true);
      fail(undefined);
    } catch (caught) {
      fail(caught);
    }
    await loadFolder(projectId, folder);
  };
  const send = async (files: File[]) => {
    if (files.length === 0) return;
    fail(undefined);
    setProgress(`Uploading ${files[0]?.name ?? ""}`);
    try {
      await upload(host.client, projectId, folder, files, (count) =>
        setProgress(`Uploaded ${count} of ${files.length}`),
      );
    } catch (caught) {
      fail(caught);
    }
    setProgress(undefined);
    await loadFolder(projectId, folder);
  };
  const onDrop = (event: DragEvent) => {
    event.preventDefault();
    setDropping(false);
    void send([...event.dataTransfer.files]);
  };
  return (
    <aside
      className={`ws-files${dropping ? " dropping" : ""}`}
      aria-label="Files"
      onDragOver={(event) => {
        event.preventDefault();
        setDropping(true);
      }}
      onDragLeave={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setDropping(false);
      }}
      onDrop={onDrop}
    >
      <div className="bar">
        <span style={{ flex: 1 }}>Files</span>
        <ActionIcon aria-label="New file" title={`New file in ${where}`} onClick={() => void make("file")}>
          <Icon name="plus" />
        </ActionIcon>
        <ActionIcon
          aria-label="Upload files"
          title={`Upload into ${where}`}
          onClick={() => picker.current?.click()}
        >
          <Icon name="upload" />
        </ActionIcon>
        <Menu>
          <Menu.Target>
            <ActionIcon aria-label="More for files" title="More">
              <Icon name="more" />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item leftSection={<Icon name="folder" />} onClick={() => void make("folder")}>
              New folder
            </Menu.Item>
            <Menu.Item onClick={() => setHidden((now) => !now)}>
              {hidden ? "Leave out hidden files" : "Show hidden files"}
            </Menu.Item>
            <Menu.Item
              leftSection={<Icon name="refresh" />}
              onClick={() => void queryClient.invalidateQueries({ queryKey: ["files", projectId] })}
            >
              Load again
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          onChange={(event) => {
            void send([...(event.currentTarget.files ?? [])]);
            event.currentTarget.value = "";
          }}
        />
      </div>
      {error ? (
        <div style={{ padding: "0 8px" }}>
          <ErrorBlock error={error} />
        </div>
      ) : null}
      <div className="tree" role="tree" aria-label="Files of the project">
        <Folder path="." depth={0} context={context} />
      </div>
      {progress ? (
        <div className="progress" role="status">
          {progress}
        </div>
      ) : null}
    </aside>
  );
}
