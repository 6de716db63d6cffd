/** Ctrl K: go anywhere by its name. */
import { Modal, TextInput } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, type ReactNode, useState } from "react";
import { useLocation } from "wouter";
import type { Me } from "../../contract/api.ts";
import { api, keys } from "../api.ts";
import { visible } from "./format.ts";

export function Palette({ me }: { me: Me }): ReactNode {
  const [open, setOpen] = useState(false);
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const [, go] = useLocation();
  const projects = useQuery({ queryKey: keys.projects, queryFn: api.projects.list });
  const show = () => {
    setText("");
    setAt(0);
    setOpen(true);
  };
  useHotkeys(
    [
      ["mod+K", show],
      ["G", () => {}],
    ],
    ["INPUT", "TEXTAREA"],
  );
  const pages = [
    ["Projects", "/projects"],
    ["Account", "/account"],
    ...(me.role === "admin"
      ? [
          ["Hosts", "/hosts"],
          ["Health", "/health"],
          ["People", "/people"],
          ["Settings", "/settings"],
          ["Audit log", "/audit"],
        ]
      : []),
  ];
  const all = [
    ...(projects.data ?? []).map((one) => [visible(one.name), `/projects/${one.project_id}`]),
    ...pages,
  ] as [string, string][];
  const found = all.filter(([name]) => name.toLowerCase().includes(text.toLowerCase())).slice(0, 12);
  const choose = (index: number) => {
    const target = found[index];
    if (!target) return;
    setOpen(false);
    go(target[1]);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown") setAt((now) => Math.min(now + 1, found.length - 1));
    else if (event.key === "ArrowUp") setAt((now) => Math.max(now - 1, 0));
    else if (event.key === "Enter") choose(at);
    else return;
    event.preventDefault();
  };
  return (
    <>
      <button type="button" className="nav" onClick={show}>
        Search or jump to
        <kbd className="count mono">Ctrl K</kbd>
      </button>
      <Modal opened={open} onClose={() => setOpen(false)} title="Go to" withCloseButton={false}>
        <TextInput
          data-autofocus
          aria-label="Name of a project or page"
          placeholder="Project or page"
          value={text}
          onChange={(event) => {
            setText(event.currentTarget.value);
            setAt(0);
          }}
          onKeyDown={onKey}
        />
        <div className="stack" style={{ gap: 2, marginTop: 8 }}>
          {found.map(([name, to], index) => (
            <button
              type="button"
              key={to}
              className="nav"
              aria-current={index === at ? "page" : undefined}
              onClick={() => choose(index)}
            >
              <bdi>{name}</bdi>
            </button>
          ))}
        </div>
      </Modal>
    </>
  );
}
