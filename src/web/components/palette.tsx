/** Ctrl K: go anywhere, or do what this page can, by its name. `?` lists the keys. */
import { Modal, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from "react";
import { useLocation } from "wouter";
import type { Me } from "../../contract/api.ts";
import { api, keys } from "../api.ts";
import { adminPages } from "../views/nav.tsx";
import { visible } from "./format.ts";
import { Icon, type IconName } from "./icons.tsx";
import { useKeys } from "./keys.ts";

export interface Command {
  /** An address, or else its name. */
  id?: string;
  name: string;
  icon: IconName;
  run: () => void;
}

const MOST_SHOWN = 12;
const KEYS: [keys: string, does: string][] = [
  ["Ctrl K", "search or jump to"],
  ["G P", "projects"],
  ["G H", "hosts"],
  ["G E", "health"],
  ["/", "search in this list"],
  ["N", "new here"],
  ["Ctrl Shift `", "new terminal"],
  ["Alt 1 … 9", "tab, in a project"],
  ["Ctrl S", "save the file"],
  ["Ctrl F", "search in the file"],
  ["Ctrl Shift F", "search in the terminal"],
  ["Ctrl C, Shift Insert", "copy what is chosen in the terminal, paste into it"],
  ["Ctrl Shift F6", "leave the terminal by key"],
  ["?", "this list"],
];

export function Palette({
  me,
  commands = [],
  compact = false,
}: {
  me: Me;
  commands?: Command[];
  compact?: boolean;
}): ReactNode {
  const [open, setOpen] = useState(false);
  const [help, setHelp] = useState(false);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const [, go] = useLocation();
  const list = useRef<HTMLDivElement>(null);
  const plus = me.hub.product === "plus";
  const hosts = me.role === "admin" && !plus;
  const projects = useQuery({ queryKey: keys.projects, queryFn: api.projects.list });
  const show = () => {
    setText("");
    setAt(0);
    setOpen(true);
  };
  useKeys({
    "Ctrl+K": show,
    "?": () => setHelp(true),
    "G P": () => go("/projects"),
    ...(hosts ? { "G H": () => go("/hosts") } : {}),
    ...(me.role === "admin" ? { "G E": () => go("/health") } : {}),
  });
  const page = (name: string, icon: IconName, path: string): Command => ({
    id: path,
    name,
    icon,
    run: () => go(path),
  });
  const all: Command[] = [
    ...commands,
    ...(projects.data ?? []).map((one) => page(visible(one.name), "folder", `/projects/${one.project_id}`)),
    ...(plus ? [] : [page("Projects", "folder", "/projects")]),
    ...adminPages(me).flatMap(({ label, icon, path }) => (label && icon ? [page(label, icon, path)] : [])),
    page("Account", "key", "/account"),
    { name: "Keys of this page", icon: "settings", run: () => setHelp(true) },
  ];
  const found = all
    .filter(({ name }) => name.toLowerCase().includes(text.trim().toLowerCase()))
    .slice(0, MOST_SHOWN);
  const choose = (index: number) => {
    const target = found[index];
    if (!target) return;
    setOpen(false);
    target.run();
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") setAt((now) => Math.min(now + 1, found.length - 1));
    else if (event.key === "ArrowUp") setAt((now) => Math.max(now - 1, 0));
    else if (event.key === "Enter") choose(at);
    else return;
    event.preventDefault();
  };
  useEffect(() => {
    list.current?.children[at]?.scrollIntoView({ block: "nearest" });
  }, [at]);
  return (
    <>
      <button
        type="button"
        className={compact ? "find compact" : "find"}
        onClick={show}
        aria-keyshortcuts="Control+K"
      >
        <Icon name="search" />
        <span className="words">Search or jump to</span>
        <kbd>Ctrl K</kbd>
      </button>
      <Modal opened={open} onClose={() => setOpen(false)} title="Search or jump to" withCloseButton={false}>
        <TextInput
          data-autofocus
          role="combobox"
          aria-label="Name of a project, page or command"
          aria-expanded="true"
          aria-controls="palette-list"
          {...(found[at] ? { "aria-activedescendant": `palette-${at}` } : {})}
          placeholder="Project, page or command"
          value={text}
          onChange={(event) => {
            setText(event.currentTarget.value);
            setAt(0);
          }}
          onKeyDown={onKey}
        />
        <div ref={list} id="palette-list" role="listbox" aria-label="Found" className="palette">
          {found.map((one, index) => (
            // biome-ignore lint/a11y/useFocusableInteractive: focus stays in the field, as the combobox pattern says
            // biome-ignore lint/a11y/useKeyWithClickEvents: the field takes the keys
            <div
              key={one.id ?? one.name}
              id={`palette-${index}`}
              role="option"
              aria-selected={index === at}
              onClick={() => choose(index)}
            >
              <Icon name={one.icon} />
              <bdi>{one.name}</bdi>
            </div>
          ))}
        </div>
        {found.length === 0 ? <p className="dim">Nothing is called that.</p> : null}
      </Modal>
      <Modal opened={help} onClose={() => setHelp(false)} title="Keys">
        <table className="keys">
          <tbody>
            {KEYS.map(([press, does]) => (
              <tr key={press}>
                <th scope="row">
                  <kbd>{press}</kbd>
                </th>
                <td>{does}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <p className="dim">A focused terminal gets every key but its own three.</p>
      </Modal>
    </>
  );
}
