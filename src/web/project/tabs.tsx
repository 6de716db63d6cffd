/** The row of tabs over a project's panes. */
import { ActionIcon, Menu } from "@mantine/core";
import { type KeyboardEvent, type ReactNode, useEffect, useRef } from "react";
import { Icon } from "../components/icons.tsx";
import type { Tab, TabsModel } from "./tabs-model.ts";

export function Tabs({ tabs }: { tabs: TabsModel }): ReactNode {
  const row = useRef<HTMLDivElement>(null);
  const onKey = (event: KeyboardEvent, tab: Tab) => {
    const at = tabs.list.findIndex((one) => one.key === tab.key);
    const last = tabs.list.length - 1;
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: last }[event.key];
    if (event.key === "Delete") void tabs.close(tab);
    else if (event.key === "F2" && tab.kind === "terminal") void tabs.rename(tab);
    else if (next !== undefined && tabs.list[next]) {
      tabs.select(tabs.list[next].key);
      (event.currentTarget.parentElement?.children[next] as HTMLElement | undefined)?.focus();
    } else return;
    event.preventDefault();
  };
  const active = tabs.list.find((tab) => tab.key === tabs.active);
  useEffect(() => {
    if (tabs.active !== undefined)
      row.current
        ?.querySelector('[aria-selected="true"]')
        ?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [tabs.active]);
  return (
    <div className="tabs">
      <div ref={row} role="tablist" aria-label="Open terminals and files">
        {tabs.list.map((tab) => (
          <button
            key={tab.key}
            type="button"
            role="tab"
            aria-selected={tab.key === tabs.active}
            tabIndex={tab.key === tabs.active ? 0 : -1}
            title={tab.kind === "file" ? tab.id : "Delete closes, F2 renames"}
            onClick={() => tabs.select(tab.key)}
            onAuxClick={(event) => {
              if (event.button === 1) void tabs.close(tab);
            }}
            onDoubleClick={() => {
              if (tab.kind === "terminal") void tabs.rename(tab);
            }}
            onKeyDown={(event) => onKey(event, tab)}
          >
            <Icon name={tab.kind === "terminal" ? "terminal" : "file"} />
            <bdi className="label">{tab.title}</bdi>
            {tab.dirty ? (
              <span className="dirty" title="Not saved">
                ●
              </span>
            ) : null}
            <span
              className="x"
              aria-hidden="true"
              title={tab.kind === "terminal" ? "Close and end its programs" : "Close"}
              onClick={(event) => {
                event.stopPropagation();
                void tabs.close(tab);
              }}
            >
              <Icon name="close" size={12} />
            </span>
          </button>
        ))}
      </div>
      <ActionIcon
        className="tab-tool"
        aria-label="New terminal"
        title="New terminal, Ctrl Shift `"
        onClick={() => void tabs.newTerminal()}
      >
        <Icon name="plus" />
      </ActionIcon>
      {active?.kind === "terminal" ? (
        <Menu>
          <Menu.Target>
            <ActionIcon className="tab-tool" aria-label={`More for ${active.title}`}>
              <Icon name="more" />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item leftSection={<Icon name="pencil" />} onClick={() => void tabs.rename(active)}>
              Rename
            </Menu.Item>
            <Menu.Item leftSection={<Icon name="trash" />} onClick={() => void tabs.close(active)}>
              Close and end its programs
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      ) : null}
    </div>
  );
}
