/**
 * What the tree of files shows: folders that are open, each loaded by the page as it comes into view, and followed while
 * it is shown. A directory of a hundred thousand entries is one number and the few pages that somebody looked at.
 */
import type { ConatClient } from "../../conat/client.ts";
import { callProject } from "../../contract/project-client.ts";
import type { FileInfo } from "../../contract/project-services.ts";
import { watchPath } from "./watch.ts";

export const PAGE = 200;

export const isFolder = (file: FileInfo) => file.type === "directory" || file.target_type === "directory";
export const joinPath = (folder: string, name: string) => (folder === "." ? name : `${folder}/${name}`);
export const parentOf = (path: string) =>
  path.includes("/") ? path.slice(0, path.lastIndexOf("/")) || "/" : ".";
export const baseName = (path: string) => path.slice(path.lastIndexOf("/") + 1);
export const isBelow = (path: string, folder: string) => path === folder || path.startsWith(`${folder}/`);

interface FolderState {
  total: number | undefined;
  pages: Map<number, FileInfo[]>;
  loading: Set<number>;
  error: unknown;
  /** Pages of an older version answer no more. */
  version: number;
  unwatch: () => void;
}

export type Row =
  | { kind: "entry"; folder: string; index: number; depth: number; entry: FileInfo; path: string }
  | { kind: "waiting"; folder: string; index: number; depth: number }
  | { kind: "note"; folder: string; depth: number; text: string; error?: unknown };

export class TreeModel {
  readonly #client: ConatClient;
  readonly #projectId: string;
  readonly #folders = new Map<string, FolderState>();
  readonly #listeners = new Set<() => void>();
  #hidden = false;
  #rows: Row[] | undefined;

  constructor(client: ConatClient, projectId: string) {
    this.#client = client;
    this.#projectId = projectId;
    this.expand(".", true);
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  #changed(): void {
    this.#rows = undefined;
    for (const listener of this.#listeners) listener();
  }

  close(): void {
    for (const folder of this.#folders.values()) folder.unwatch();
    this.#folders.clear();
  }

  get hidden(): boolean {
    return this.#hidden;
  }
  set hidden(wanted: boolean) {
    this.#hidden = wanted;
    this.reloadAll();
  }

  isExpanded(path: string): boolean {
    return this.#folders.has(path);
  }

  expand(path: string, open: boolean): void {
    const known = this.#folders.get(path);
    if (open === (known !== undefined)) return;
    if (known) {
      for (const [other, folder] of this.#folders) {
        if (!isBelow(other, path)) continue;
        folder.unwatch();
        this.#folders.delete(other);
      }
    } else {
      this.#folders.set(path, {
        total: undefined,
        pages: new Map(),
        loading: new Set(),
        error: undefined,
        version: 0,
        unwatch: watchPath(this.#client, this.#projectId, path, () => this.reload(path)),
      });
      void this.#load(path, 0);
    }
    this.#changed();
  }

  /** Opens all folders above a path, so that it comes into view. */
  reveal(path: string): void {
    const parts = path.split("/");
    for (let at = 1; at < parts.length; at++) this.expand(parts.slice(0, at).join("/"), true);
  }

  /** What is shown stays until the answer is here. */
  reload(path: string): void {
    const folder = this.#folders.get(path);
    if (!folder) return;
    folder.version += 1;
    folder.loading.clear();
    // The page that was loaded last is the one that is most likely looked at.
    const pages = [...folder.pages.keys()].slice(-3);
    for (const page of new Set([0, ...pages])) void this.#load(path, page);
  }

  reloadAll(): void {
    for (const path of this.#folders.keys()) this.reload(path);
  }

  need(row: Row): void {
    if (row.kind === "waiting") void this.#load(row.folder, Math.floor(row.index / PAGE));
  }

  async #load(path: string, page: number): Promise<void> {
    const folder = this.#folders.get(path);
    if (!folder || folder.loading.has(page)) return;
    folder.loading.add(page);
    const { version } = folder;
    try {
      const { entries, total } = await callProject(this.#client, this.#projectId, "files.list", {
        path,
        offset: page * PAGE,
        limit: PAGE,
        order: "folders",
        hidden: this.#hidden,
      });
      if (folder.version !== version) return;
      if (folder.total !== total) {
        // Another number of entries: the others may be at other places now.
        for (const other of [...folder.pages.keys()])
          if (!folder.loading.has(other)) folder.pages.delete(other);
      }
      folder.total = total;
      folder.error = undefined;
      // Last in, last in the order of keys.
      folder.pages.delete(page);
      folder.pages.set(page, entries);
      for (const entry of this.#lostFolders(path, folder)) this.expand(entry, false);
    } catch (error) {
      if (folder.version !== version) return;
      folder.error = error;
    } finally {
      if (folder.version === version) folder.loading.delete(page);
    }
    this.#changed();
  }

  /** Open ones that are no longer in a small folder: deleted or renamed. */
  #lostFolders(path: string, folder: FolderState): string[] {
    if (folder.total === undefined || folder.total > PAGE) return [];
    const here = new Set(folder.pages.get(0)?.map(({ name }) => joinPath(path, name)));
    return [...this.#folders.keys()].filter((one) => one !== "." && parentOf(one) === path && !here.has(one));
  }

  rows(): Row[] {
    if (this.#rows) return this.#rows;
    const rows: Row[] = [];
    const add = (path: string, depth: number) => {
      const folder = this.#folders.get(path);
      if (!folder) return;
      if (folder.total === undefined) {
        if (folder.error) rows.push({ kind: "note", folder: path, depth, text: "", error: folder.error });
        return;
      }
      if (folder.total === 0) {
        const text = depth === 0 ? "No files yet: make one, or drop some here." : "empty";
        rows.push({ kind: "note", folder: path, depth, text });
      }
      for (let index = 0; index < folder.total; index++) {
        const page = folder.pages.get(Math.floor(index / PAGE));
        const entry = page?.[index % PAGE];
        if (!entry) {
          // A page that came short: something was deleted between the names and the looking.
          if (!page) rows.push({ kind: "waiting", folder: path, index, depth });
          continue;
        }
        const own = joinPath(path, entry.name);
        rows.push({ kind: "entry", folder: path, index, depth, entry, path: own });
        if (isFolder(entry) && this.#folders.has(own)) add(own, depth + 1);
      }
    };
    add(".", 0);
    this.#rows = rows;
    return rows;
  }
}
