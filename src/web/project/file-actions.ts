/** What can be done to files of a project: asked where it needs to be, told where it can be undone. */
import { notifications } from "@mantine/notifications";
import { createElement } from "react";
import { archiveUrl, filesUrl, type OnExisting } from "../../contract/files-http.ts";
import { callProject, openProject, writeFile } from "../../contract/project-client.ts";
import { CodedError } from "../../core/errors.ts";
import { askName, askYesNo, checkFileName } from "../components/dialogs.tsx";
import { plural, visible } from "../components/format.ts";
import type { HostConnection } from "../sockets/host-sockets.ts";
import { topmost } from "./selection.ts";
import { baseName, joinPath, parentOf, type TreeModel } from "./tree-model.ts";
import { UndoNotice } from "./undo-notice.tsx";

const UNDO_MS = 6_000;

export interface FileActions {
  make(kind: "file" | "folder", folder: string): Promise<void>;
  rename(path: string): Promise<void>;
  trash(paths: readonly string[]): Promise<void>;
  restore(trashIds: string[]): Promise<void>;
  download(paths: readonly string[], as: "file" | "zip" | "tar"): void;
  transfer(from: readonly string[], to: string, move: boolean): Promise<void>;
}

export interface ActionsContext {
  host: HostConnection;
  projectId: string;
  model: TreeModel;
  open: (path: string) => void;
  moved: (from: string, to: string | undefined) => void;
  fail: (error: unknown) => void;
}

const named = (paths: readonly string[]) =>
  paths.length === 1 ? visible(baseName(paths[0] ?? "")) : plural(paths.length, "item");

export function save(url: string): void {
  const link = document.createElement("a");
  link.href = url;
  link.download = "";
  link.click();
}

export function fileActions({ host, projectId, model, open, moved, fail }: ActionsContext): FileActions {
  const { client } = host;
  const attempt = async (folders: readonly string[], what: () => Promise<unknown>) => {
    try {
      await what();
      fail(undefined);
    } catch (error) {
      fail(error);
    }
    for (const folder of new Set(folders)) model.reload(folder);
  };

  async function copyInto(from: readonly string[], to: string, move: boolean, existing: OnExisting) {
    const { stream, onMessage } = await openProject(client, projectId, "files.copy", {
      from: [...from],
      to,
      move,
      existing,
    });
    const id = `copy ${crypto.randomUUID()}`;
    const text = (files: number) =>
      `${move ? "Moving" : "Copying"} ${named(from)}: ${plural(files, "file")} so far`;
    // What is over in a moment needs no word.
    const timer = setTimeout(
      () =>
        notifications.show({ id, message: text(0), loading: true, autoClose: false, withCloseButton: false }),
      500,
    );
    let done = false;
    onMessage((message) => {
      if (message.type === "done") done = true;
      else notifications.update({ id, message: text(message.files), loading: true });
    });
    stream.onEnd(() => stream.end());
    try {
      await new Promise<void>((resolve, reject) =>
        stream.onClose((error) => (error ? reject(error) : resolve())),
      );
      if (!done) throw new CodedError({ code: "agent.malformed", title: "The copy was not confirmed" });
    } finally {
      clearTimeout(timer);
      notifications.hide(id);
    }
  }

  async function restore(trashIds: string[]): Promise<void> {
    const { paths } = await callProject(client, projectId, "files.trash.restore", {
      trash_ids: trashIds,
      keep_both: true,
    });
    model.reloadAll();
    notifications.show({ message: `Put back ${named(paths)}` });
  }

  const actions: FileActions = {
    restore,
    async make(kind, folder) {
      const where = folder === "." ? "the home folder" : visible(folder);
      const name = await askName({
        title: `New ${kind} in ${where}`,
        label: "Name",
        action: `Make the ${kind}`,
        check: checkFileName,
      });
      if (name === undefined) return;
      const path = joinPath(folder, name);
      await attempt([folder], async () => {
        if (kind === "folder") await callProject(client, projectId, "files.mkdir", { path });
        else {
          await writeFile(client, projectId, path, "", { etag: null });
          open(path);
        }
        if (folder !== ".") model.expand(folder, true);
      });
    },
    async rename(path) {
      const name = baseName(path);
      const to = await askName({
        title: `Rename ${visible(name)}`,
        label: "New name",
        initial: name.toWellFormed(),
        action: "Rename",
        check: checkFileName,
      });
      if (to === undefined || to === name) return;
      const folder = parentOf(path);
      await attempt([folder], async () => {
        await callProject(client, projectId, "files.rename", { from: path, to: joinPath(folder, to) });
        moved(path, joinPath(folder, to));
      });
    },
    async trash(chosen) {
      const paths = topmost(chosen);
      await attempt(paths.map(parentOf), async () => {
        const { trashed, failed } = await callProject(client, projectId, "files.trash", { paths });
        const lost = new Set(failed.map((one) => one.path));
        if (trashed.length > 0) {
          // Answers are absolute; what is shown is relative.
          for (const path of paths)
            if (![...lost].some((one) => one.endsWith(`/${path}`))) moved(path, undefined);
          const id = `trash ${trashed[0]?.trash_id ?? ""}`;
          const undo = () => {
            notifications.hide(id);
            void restore(trashed.map(({ trash_id }) => trash_id)).catch(fail);
          };
          const text = `${named(trashed.map(({ path }) => path))} went to the trash`;
          notifications.show({ id, autoClose: UNDO_MS, message: createElement(UndoNotice, { text, undo }) });
        }
        if (failed.length === 0) return;
        const other = failed.every(({ code }) => code === "trash.other-disk");
        if (!other) {
          const [first] = failed;
          throw new CodedError({
            code: first?.code ?? "file.failed",
            title: first?.title ?? "",
            why: failed.length > 1 ? `And ${failed.length - 1} more.` : undefined,
          });
        }
        const yes = await askYesNo({
          title: `Delete ${named(failed.map(({ path }) => path))} for good?`,
          text: "It is on another file system than the trash. It cannot be undone.",
          action: "Delete for good",
          danger: true,
        });
        if (!yes) return;
        for (const { path } of failed) {
          await callProject(client, projectId, "files.remove", { path, recursive: true });
          moved(path, undefined);
        }
      });
    },
    download(paths, as) {
      if (as === "file") for (const path of paths) save(filesUrl(projectId, "download", path));
      else save(archiveUrl(projectId, topmost(paths), as));
    },
    async transfer(chosen, to, move) {
      const from = topmost(chosen).filter((path) => !(move && parentOf(path) === to));
      if (from.length === 0) return;
      await attempt([to, ...from.map(parentOf)], async () => {
        const same = from.every((path) => parentOf(path) === to);
        try {
          await copyInto(from, to, move, same ? "keep-both" : "refuse");
        } catch (error) {
          if (!(error instanceof CodedError && error.code === "file.exists")) throw error;
          const yes = await askYesNo({
            title: `There is something of that name in ${to === "." ? "the home folder" : visible(to)} already`,
            text: "Both can be kept: what comes gets a number behind its name.",
            action: "Keep both",
          });
          if (!yes) return;
          await copyInto(from, to, move, "keep-both");
        }
        if (move) for (const path of from) moved(path, joinPath(to, baseName(path)));
        if (to !== ".") model.expand(to, true);
      });
    },
  };
  return actions;
}
