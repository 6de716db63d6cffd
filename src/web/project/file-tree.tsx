/** The tree of files: only the rows in view exist, keys and pointer as in a file manager. */
import { ActionIcon } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import {
  type DragEvent,
  type KeyboardEvent,
  type MouseEvent,
  type ReactNode,
  useEffect,
  useRef,
  useState,
} from "react";
import { ErrorBlock } from "../components/blocks.tsx";
import { bytes, visible } from "../components/format.ts";
import { Icon } from "../components/icons.tsx";
import { actedOn, type Selection, selectOne, selectTo, toggle } from "./selection.ts";
import { isFolder, parentOf, type Row, type TreeModel } from "./tree-model.ts";

/** Paths that are dragged within the tree. */
export const DRAG_TYPE = "application/x-cocalc-paths";
const ROW_PX = 26;
const TOUCH_PX = 44;

export interface MenuAt {
  x: number;
  y: number;
  /** Undefined: of the folder that all is in. */
  row: Extract<Row, { kind: "entry" }> | undefined;
}

export interface TreeProps {
  model: TreeModel;
  rows: readonly Row[];
  selection: Selection;
  select: (next: Selection) => void;
  open: (path: string) => void;
  menu: (at: MenuAt) => void;
  rename: (path: string) => void;
  trash: (paths: readonly string[]) => void;
  /** `copy`, `cut` or `paste`. */
  clip: (what: "copy" | "cut" | "paste", paths: readonly string[]) => void;
  drop: (event: DragEvent, folder: string) => void;
  isCut: (path: string) => boolean;
}

export function FileTree(props: TreeProps): ReactNode {
  const { model, rows, selection, select } = props;
  const area = useRef<HTMLDivElement>(null);
  const [over, setOver] = useState<string>();
  const wanted = useRef<string>(undefined);
  const size = matchMedia("(pointer: coarse)").matches ? TOUCH_PX : ROW_PX;
  const list = useVirtualizer({
    count: rows.length,
    getScrollElement: () => area.current,
    estimateSize: () => size,
    overscan: 15,
    getItemKey: (index) => {
      const row = rows[index];
      if (row === undefined) return index;
      return row.kind === "entry"
        ? `e ${row.path}`
        : `${row.kind} ${row.folder} ${row.kind === "waiting" ? row.index : ""}`;
    },
  });
  const items = list.getVirtualItems();
  useEffect(() => {
    for (const { index } of items) {
      const row = rows[index];
      if (row?.kind === "waiting") model.need(row);
    }
  });
  // A row that was scrolled to for the keyboard exists only now.
  useEffect(() => {
    if (wanted.current === undefined) return;
    const row = area.current?.querySelector<HTMLElement>(`[data-path="${CSS.escape(wanted.current)}"]`);
    if (!row) return;
    wanted.current = undefined;
    row.focus();
  });

  const entryRows = () => rows.filter((row): row is Extract<Row, { kind: "entry" }> => row.kind === "entry");
  const shown = () => entryRows().map(({ path }) => path);
  const goTo = (path: string | undefined, extend: boolean) => {
    if (path === undefined) return;
    select(extend ? selectTo(selection, path, shown()) : selectOne(path));
    wanted.current = path;
    const at = rows.findIndex((row) => row.kind === "entry" && row.path === path);
    list.scrollToIndex(at);
  };
  const activate = (row: Extract<Row, { kind: "entry" }>) => {
    select(selectOne(row.path));
    if (isFolder(row.entry)) model.expand(row.path, !model.isExpanded(row.path));
    else props.open(row.path);
  };
  const onClick = (event: MouseEvent, row: Extract<Row, { kind: "entry" }>) => {
    if (event.shiftKey) select(selectTo(selection, row.path, shown()));
    else if (event.ctrlKey || event.metaKey) select(toggle(selection, row.path));
    else activate(row);
  };
  const onKey = (event: KeyboardEvent, row: Extract<Row, { kind: "entry" }>) => {
    const all = entryRows();
    const at = all.findIndex(({ path }) => path === row.path);
    const one = isFolder(row.entry);
    const expanded = model.isExpanded(row.path);
    const acted = actedOn(selection, row.path);
    const step = (to: number) => goTo(all[to]?.path, event.shiftKey);
    if (event.ctrlKey || event.metaKey) {
      const what = { c: "copy", x: "cut", v: "paste" }[event.key] as "copy" | "cut" | "paste" | undefined;
      if (what !== undefined) props.clip(what, acted);
      else if (event.key === "a") select({ paths: new Set(shown()), current: row.path, anchor: row.path });
      else if (event.key === " ") select(toggle(selection, row.path));
      else return;
    } else if (event.key === "Enter" || event.key === " ") activate(row);
    else if (event.key === "ArrowRight" && one && !expanded) model.expand(row.path, true);
    else if (event.key === "ArrowLeft" && one && expanded) model.expand(row.path, false);
    else if (event.key === "ArrowLeft") {
      if (row.folder !== ".") goTo(row.folder, false);
    } else if (event.key === "F2") props.rename(row.path);
    else if (event.key === "Delete") props.trash(acted);
    else if (event.key === "ContextMenu" || (event.key === "F10" && event.shiftKey)) {
      const box = event.currentTarget.getBoundingClientRect();
      props.menu({ x: box.left + 40, y: box.bottom, row });
    } else if (event.key === "ArrowDown" || event.key === "ArrowRight") step(at + 1);
    else if (event.key === "ArrowUp") step(at - 1);
    else if (event.key === "PageDown") step(Math.min(all.length - 1, at + 20));
    else if (event.key === "PageUp") step(Math.max(0, at - 20));
    else if (event.key === "Home") step(0);
    else if (event.key === "End") step(all.length - 1);
    else return;
    event.preventDefault();
  };

  /** A file takes what its folder takes. */
  const targetOf = (row: Row) => (row.kind === "entry" && isFolder(row.entry) ? row.path : row.folder);
  const dragOver = (event: DragEvent, folder: string) => {
    event.preventDefault();
    event.stopPropagation();
    const inside = event.dataTransfer.types.includes(DRAG_TYPE);
    event.dataTransfer.dropEffect = inside && !event.ctrlKey ? "move" : "copy";
    if (over !== folder) setOver(folder);
  };
  const dropOn = (event: DragEvent, folder: string) => {
    event.preventDefault();
    event.stopPropagation();
    setOver(undefined);
    props.drop(event, folder);
  };

  const first = rows.findIndex((row) => row.kind === "entry");
  // An empty tree is none: it has to have items.
  const empty = first === -1;
  const currentShown = rows.some((row) => row.kind === "entry" && row.path === selection.current);
  return (
    // biome-ignore lint/a11y/useAriaPropsSupportedByRole: of the tree alone; the group has undefined
    // biome-ignore lint/a11y/noStaticElementInteractions: both roles take what is dropped on them
    <div
      ref={area}
      className="tree"
      role={empty ? "group" : "tree"}
      aria-multiselectable={empty ? undefined : true}
      aria-label="Files of the project"
      data-over={over === "." || undefined}
      onDragOver={(event) => dragOver(event, ".")}
      onDragLeave={(event) => {
        if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setOver(undefined);
      }}
      onDrop={(event) => dropOn(event, ".")}
      onContextMenu={(event) => {
        event.preventDefault();
        props.menu({ x: event.clientX, y: event.clientY, row: undefined });
      }}
    >
      <div style={{ height: list.getTotalSize(), position: "relative" }} role="presentation">
        {items.map(({ index, start }) => {
          const row = rows[index];
          if (row === undefined) return null;
          const place = {
            position: "absolute",
            top: 0,
            left: 0,
            right: 0,
            transform: `translateY(${start}px)`,
          } as const;
          if (row.kind !== "entry") {
            return (
              <div
                key={row.kind === "waiting" ? `w ${row.folder} ${row.index}` : `n ${row.folder}`}
                className="dim tree-note"
                role="presentation"
                style={{
                  ...place,
                  paddingLeft: 24 + row.depth * 14,
                  height: row.kind === "waiting" ? size : undefined,
                }}
              >
                {row.kind === "waiting" ? null : row.error ? <ErrorBlock error={row.error} /> : row.text}
              </div>
            );
          }
          const { entry, path, depth } = row;
          const folder = isFolder(entry);
          const name = visible(entry.name);
          const target = targetOf(row);
          return (
            <div
              key={path}
              role="treeitem"
              data-path={path}
              tabIndex={selection.current === path || (!currentShown && index === first) ? 0 : -1}
              aria-selected={selection.paths.has(path)}
              aria-expanded={folder ? model.isExpanded(path) : undefined}
              aria-level={depth + 1}
              data-over={(over !== "." && over === target && folder) || undefined}
              data-cut={props.isCut(path) || undefined}
              style={{ ...place, paddingLeft: 6 + depth * 14 }}
              draggable
              onDragStart={(event) => {
                const paths = actedOn(selection, path);
                event.dataTransfer.setData(DRAG_TYPE, JSON.stringify(paths));
                event.dataTransfer.effectAllowed = "copyMove";
              }}
              onDragOver={(event) => dragOver(event, target)}
              onDrop={(event) => dropOn(event, target)}
              onClick={(event) => onClick(event, row)}
              onFocus={() => {
                if (selection.current === "") select({ ...selection, current: path, anchor: path });
              }}
              onKeyDown={(event) => onKey(event, row)}
              onContextMenu={(event) => {
                event.preventDefault();
                event.stopPropagation();
                if (!selection.paths.has(path)) select(selectOne(path));
                props.menu({ x: event.clientX, y: event.clientY, row });
              }}
            >
              <span className="twist" data-open={model.isExpanded(path) || undefined}>
                {folder ? <Icon name="chevron" size={12} /> : null}
              </span>
              <Icon name={folder ? "folder" : "file"} />
              <span className="name" title={`${visible(path)}${folder ? "" : `, ${bytes(entry.size)}`}`}>
                <bdi>{name}</bdi>
              </span>
              <ActionIcon
                size="xs"
                className="row-more"
                tabIndex={-1}
                aria-label={`More for ${name}`}
                onClick={(event) => {
                  event.stopPropagation();
                  const box = event.currentTarget.getBoundingClientRect();
                  if (!selection.paths.has(path)) select(selectOne(path));
                  props.menu({ x: box.left, y: box.bottom, row });
                }}
              >
                <Icon name="more" size={12} />
              </ActionIcon>
            </div>
          );
        })}
      </div>
    </div>
  );
}

/** Where new things go: the chosen folder, or the one that the chosen file is in. */
export function folderOf(selection: Selection, rows: readonly Row[]): string {
  const row = rows.find((one) => one.kind === "entry" && one.path === selection.current);
  if (row?.kind !== "entry") return ".";
  return isFolder(row.entry) ? row.path : parentOf(row.path);
}
