/** The project's files: the tree, search, trash, and what brings new ones in. */
import { ActionIcon, Button, Menu } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import {
  type DragEvent,
  type ReactNode,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
import type { OnExisting } from "../../contract/files-http.ts";
import { callProject } from "../../contract/project-client.ts";
import { CodedError } from "../../core/errors.ts";
import { ErrorBlock } from "../components/blocks.tsx";
import { visible } from "../components/format.ts";
import { Icon } from "../components/icons.tsx";
import type { HostConnection } from "../sockets/host-sockets.ts";
import { chosenFiles, type Dropped, droppedFiles } from "./drop-files.ts";
import { fileActions } from "./file-actions.ts";
import { FileMenu } from "./file-menu.tsx";
import { DRAG_TYPE, FileTree, folderOf, type MenuAt } from "./file-tree.tsx";
import { SearchPanel } from "./search-panel.tsx";
import { actedOn, NOTHING, type Selection, selectOne } from "./selection.ts";
import { TrashDialog } from "./trash-dialog.tsx";
import { isBelow, isFolder, joinPath, parentOf, TreeModel } from "./tree-model.ts";
import { startUploads, uploads } from "./upload-model.ts";

function useTree(host: HostConnection, projectId: string): TreeModel {
  const [model, setModel] = useState(() => new TreeModel(host.client, projectId));
  const made = useRef({ host, projectId, model });
  useEffect(() => {
    if (made.current.host !== host || made.current.projectId !== projectId) {
      const next = new TreeModel(host.client, projectId);
      made.current = { host, projectId, model: next };
      setModel(next);
    }
    const mine = made.current.model;
    return () => mine.close();
  }, [host, projectId]);
  // Uploads end without a word of the folder's watch where nobody watches it.
  useEffect(
    () =>
      uploads.onArrived((item) => {
        if (item.projectId === projectId) model.reload(parentOf(item.path));
      }),
    [model, projectId],
  );
  return model;
}

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
  const model = useTree(host, projectId);
  const rows = useSyncExternalStore(model.subscribe, () => model.rows());
  const [selection, setSelection] = useState<Selection>(NOTHING);
  const [error, fail] = useState<unknown>();
  const [menu, setMenu] = useState<MenuAt>();
  const [searching, setSearching] = useState<string>();
  const [trash, setTrash] = useState(false);
  const [clip, setClip] = useState<{ paths: readonly string[]; move: boolean }>();
  /** Files that are there already, and those that are not: a person says what becomes of the first. */
  const [taken, setTaken] = useState<{ all: { path: string; file: File }[]; names: string[] }>();
  const picker = useRef<HTMLInputElement>(null);
  const folderPicker = useRef<HTMLInputElement>(null);
  const pickFor = useRef(".");
  const home = useQuery({
    queryKey: ["home", projectId],
    queryFn: async () => (await callProject(host.client, projectId, "hello", {})).home,
    staleTime: Number.POSITIVE_INFINITY,
  });

  const followed = (from: string, to: string | undefined) => {
    setSelection((now) => (isBelow(now.current, from) ? (to === undefined ? NOTHING : selectOne(to)) : now));
    moved(from, to);
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: the newest of each is taken at the call
  const actions = useMemo(
    () => fileActions({ host, projectId, model, open, moved: followed, fail }),
    [host, projectId, model, open, moved],
  );
  const folder = folderOf(selection, rows);
  const where = folder === "." ? "the home folder" : visible(folder);

  /** Asked before a byte is sent: many small answers of the project, a folder at a time. */
  async function take(found: Dropped, into: string): Promise<void> {
    fail(undefined);
    try {
      for (const path of found.folders)
        await callProject(host.client, projectId, "files.mkdir", {
          path: joinPath(into, path),
          parents: true,
        });
      const all = found.files.map(({ path, file }) => ({ path: joinPath(into, path), file }));
      const names: string[] = [];
      for (const { path } of all.length > 2000 ? [] : all) {
        if (names.length >= 20) break;
        const known = await callProject(host.client, projectId, "files.stat", { path }).catch(
          (failed: unknown) => {
            if (failed instanceof CodedError && ["file.not-found", "file.not-a-folder"].includes(failed.code))
              return;
            throw failed;
          },
        );
        if (known) names.push(path);
      }
      model.reload(into);
      if (into !== ".") model.expand(into, true);
      if (names.length > 0) setTaken({ all, names });
      else startUploads(projectId, all, "refuse");
    } catch (failed) {
      fail(failed);
    }
  }
  const settle = (existing: OnExisting | "skip") => {
    if (taken === undefined) return;
    const skip = new Set(existing === "skip" ? taken.names : []);
    const rest = taken.all.filter(({ path }) => !skip.has(path));
    startUploads(projectId, rest, existing === "skip" ? "refuse" : existing);
    setTaken(undefined);
  };
  const onDrop = (event: DragEvent, into: string) => {
    const inside = event.dataTransfer.getData(DRAG_TYPE);
    if (inside !== "") {
      const paths = JSON.parse(inside) as string[];
      void actions.transfer(paths, into, !event.ctrlKey);
      return;
    }
    void droppedFiles(event.dataTransfer).then((found) => take(found, into), fail);
  };
  const pick = (kind: "files" | "folder", into: string) => {
    pickFor.current = into;
    (kind === "files" ? picker : folderPicker).current?.click();
  };
  const clipBoard = (what: "copy" | "cut" | "paste", paths: readonly string[]) => {
    if (what !== "paste") {
      setClip({ paths, move: what === "cut" });
      return;
    }
    if (clip === undefined) return;
    const row = rows.find((one) => one.kind === "entry" && one.path === paths[0]);
    const into = row?.kind === "entry" ? (isFolder(row.entry) ? row.path : row.folder) : (paths[0] ?? ".");
    void actions.transfer(clip.paths, into, clip.move);
    if (clip.move) setClip(undefined);
  };
  const acted = menu?.row ? actedOn(selection, menu.row.path) : [];
  return (
    <aside className="ws-files" aria-label="Files">
      <div className="bar">
        <span style={{ flex: 1 }}>Files</span>
        <ActionIcon
          aria-label="Search in files"
          title="Search in files"
          aria-pressed={searching !== undefined}
          onClick={() => setSearching((now) => (now === undefined ? "." : undefined))}
        >
          <Icon name="search" />
        </ActionIcon>
        <ActionIcon
          aria-label="New file"
          title={`New file in ${where}`}
          onClick={() => void actions.make("file", folder)}
        >
          <Icon name="plus" />
        </ActionIcon>
        <ActionIcon
          aria-label="Upload files"
          title={`Upload into ${where}`}
          onClick={() => pick("files", folder)}
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
            <Menu.Item
              leftSection={<Icon name="folder" />}
              onClick={() => void actions.make("folder", folder)}
            >
              New folder
            </Menu.Item>
            <Menu.Item leftSection={<Icon name="upload" />} onClick={() => pick("folder", folder)}>
              Upload a folder
            </Menu.Item>
            <Menu.Item leftSection={<Icon name="download" />} onClick={() => actions.download(["."], "zip")}>
              Download all as zip
            </Menu.Item>
            <Menu.Item
              onClick={() => {
                model.hidden = !model.hidden;
              }}
            >
              {model.hidden ? "Leave out hidden files" : "Show hidden files"}
            </Menu.Item>
            <Menu.Item leftSection={<Icon name="refresh" />} onClick={() => model.reloadAll()}>
              Load again
            </Menu.Item>
            <Menu.Item leftSection={<Icon name="trash" />} onClick={() => setTrash(true)}>
              Trash
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
        {[false, true].map((folders) => (
          <input
            key={String(folders)}
            ref={folders ? folderPicker : picker}
            type="file"
            multiple
            hidden
            {...(folders ? { webkitdirectory: "" } : {})}
            onChange={(event) => {
              const found = chosenFiles(event.currentTarget.files);
              event.currentTarget.value = "";
              void take(found, pickFor.current);
            }}
          />
        ))}
      </div>
      {error ? (
        <div style={{ padding: "0 8px" }}>
          <ErrorBlock error={error} />
        </div>
      ) : null}
      {taken ? <TakenNames names={taken.names} settle={settle} leave={() => setTaken(undefined)} /> : null}
      {searching === undefined ? null : (
        <SearchPanel
          client={host.client}
          projectId={projectId}
          folder={searching}
          home={home.data ?? ""}
          open={open}
          reveal={(path) => {
            model.reveal(path);
            model.expand(path, true);
            setSelection(selectOne(path));
            setSearching(undefined);
          }}
          close={() => setSearching(undefined)}
        />
      )}
      <FileTree
        model={model}
        rows={rows}
        selection={selection}
        select={setSelection}
        open={open}
        menu={setMenu}
        rename={(path) => void actions.rename(path)}
        trash={(paths) => void actions.trash(paths)}
        clip={clipBoard}
        drop={onDrop}
        isCut={(path) => clip?.move === true && clip.paths.includes(path)}
      />
      {menu ? (
        <FileMenu
          at={menu}
          close={() => setMenu(undefined)}
          acted={acted}
          canPaste={clip !== undefined}
          actions={{
            open,
            download: actions.download,
            rename: (path) => void actions.rename(path),
            clip: clipBoard,
            trash: (paths) => void actions.trash(paths),
            make: (kind, into) => void actions.make(kind, into),
            pick: (into) => pick("files", into),
            search: setSearching,
          }}
        />
      ) : null}
      {trash ? (
        <TrashDialog
          client={host.client}
          projectId={projectId}
          home={home.data ?? ""}
          restore={actions.restore}
          close={() => setTrash(false)}
        />
      ) : null}
    </aside>
  );
}

function TakenNames({
  names,
  settle,
  leave,
}: {
  names: readonly string[];
  settle: (existing: OnExisting | "skip") => void;
  leave: () => void;
}): ReactNode {
  const [first = ""] = names;
  const title =
    names.length === 1
      ? `There is a ${visible(first)} already`
      : `${names.length} of these are there already`;
  return (
    <section className="taken stack" aria-label={title}>
      <strong>{title}</strong>
      {names.length > 1 ? (
        <ul>
          {names.slice(0, 5).map((name) => (
            <li key={name}>
              <bdi>{visible(name)}</bdi>
            </li>
          ))}
        </ul>
      ) : null}
      <span className="dim">Nothing was sent yet.</span>
      <div className="row">
        <Button size="xs" onClick={() => settle("keep-both")}>
          Keep both
        </Button>
        <Button size="xs" variant="default" onClick={() => settle("replace")}>
          Replace
        </Button>
        <Button size="xs" variant="default" onClick={() => settle("skip")}>
          Skip
        </Button>
        <Button size="xs" variant="subtle" color="gray" onClick={leave}>
          Cancel
        </Button>
      </div>
    </section>
  );
}
