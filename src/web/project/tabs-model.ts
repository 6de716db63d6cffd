/** What is open in a project: terminals (the agent's own list) and files (this browser's). */
import { useQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";
import { z } from "zod";
import { callProject } from "../../contract/project-client.ts";
import type { Terminal } from "../../contract/project-services.ts";
import { queryClient } from "../api.ts";
import { askName, askYesNo } from "../components/dialogs.tsx";
import { visible } from "../components/format.ts";
import type { HostConnection } from "../sockets/host-sockets.ts";
import { dropDraft, moveDraft } from "./editing/drafts.ts";

export interface Tab {
  key: string;
  kind: "terminal" | "file";
  /** Terminal id, or path. */
  id: string;
  title: string;
  dirty: boolean;
}
export interface TabsModel {
  list: Tab[];
  active: string | undefined;
  loaded: boolean;
  error: unknown;
  select(key: string): void;
  close(tab: Tab): Promise<void>;
  rename(tab: Tab): Promise<void>;
  newTerminal(): Promise<void>;
  openFile(path: string): void;
  /** A file or folder was renamed, or (`to` undefined) deleted. */
  fileMoved(from: string, to: string | undefined): void;
  setDirty(key: string, dirty: boolean): void;
}

const keptSchema = z.object({ files: z.array(z.string()), active: z.string().optional() });
type Kept = z.infer<typeof keptSchema>;

function keptOf(key: string): Kept {
  try {
    return keptSchema.parse(JSON.parse(localStorage.getItem(key) ?? ""));
  } catch {
    // Nothing kept yet, or by another version of this page.
    return { files: [] };
  }
}

const nameOf = (terminal: Terminal, index: number) =>
  visible(terminal.name || terminal.title || `Terminal ${index + 1}`);
const fileKey = (path: string) => `f ${path}`;
const terminalKey = (id: string) => `t ${id}`;

export function useTabs(host: HostConnection, projectId: string): TabsModel {
  const stored = `open ${projectId}`;
  const [kept] = useState(() => keptOf(stored));
  const [files, setFiles] = useState<string[]>(kept.files);
  const [active, setActive] = useState<string | undefined>(kept.active);
  const [dirty, setDirtyMap] = useState<Record<string, boolean>>({});
  const [error, setError] = useState<unknown>();
  const terminals = useQuery({
    queryKey: ["terminals", projectId],
    queryFn: async () => (await callProject(host.client, projectId, "terminal.list", {})).terminals,
    staleTime: 5_000,
    refetchOnMount: "always",
  });
  // The terminals of before a restart are gone: what was known then is not shown again.
  const running = terminals.isFetchedAfterMount ? terminals.data : undefined;
  const again = useCallback(
    () => queryClient.invalidateQueries({ queryKey: ["terminals", projectId] }),
    [projectId],
  );

  useEffect(() => {
    const value: Kept = active === undefined ? { files } : { files, active };
    localStorage.setItem(stored, JSON.stringify(value));
  }, [stored, files, active]);
  useEffect(
    () => host.client.subscribe(`project.${projectId}.changed`, () => void again()),
    [host, projectId, again],
  );

  const newTerminal = useCallback(async () => {
    try {
      const made = await callProject(host.client, projectId, "terminal.create", {});
      await again();
      setActive(terminalKey(made.terminal_id));
      setError(undefined);
    } catch (caught) {
      setError(caught);
    }
  }, [host, projectId, again]);

  // A project without a terminal gets one when nothing else is open, or when the terminal that was looked at ended
  // with the project: a person who opens it wants a prompt.
  const first = useRef(false);
  useEffect(() => {
    if (first.current || running === undefined) return;
    first.current = true;
    const wanted = files.length === 0 || kept.active?.startsWith("t ") === true;
    if (running.length === 0 && wanted) void newTerminal();
  }, [running, files.length, kept.active, newTerminal]);

  const list: Tab[] = [
    ...files.map((path) => ({
      key: fileKey(path),
      kind: "file" as const,
      id: path,
      title: visible(path.split("/").pop() ?? path),
      dirty: dirty[fileKey(path)] ?? false,
    })),
    ...(running ?? []).map((terminal, index) => ({
      key: terminalKey(terminal.terminal_id),
      kind: "terminal" as const,
      id: terminal.terminal_id,
      title: nameOf(terminal, index),
      dirty: false,
    })),
  ];
  const current = list.some((tab) => tab.key === active) ? active : list.at(-1)?.key;

  const unsaved = Object.values(dirty).some(Boolean);
  useEffect(() => {
    if (!unsaved) return;
    const guard = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", guard);
    return () => removeEventListener("beforeunload", guard);
  }, [unsaved]);

  const forgetFile = (path: string) => {
    // The editor keeps its draft when it is closed; it must be closed before the draft is dropped.
    flushSync(() => {
      setFiles((now) => now.filter((one) => one !== path));
      setDirtyMap(({ [fileKey(path)]: _gone, ...rest }) => rest);
    });
  };

  return {
    list,
    active: current,
    loaded: running !== undefined,
    error: error ?? (running === undefined ? terminals.error : undefined),
    select: setActive,
    newTerminal,
    async close(tab) {
      const at = list.findIndex((one) => one.key === tab.key);
      const next = (list[at + 1] ?? list[at - 1])?.key;
      if (tab.kind === "file") {
        if (tab.dirty) {
          const yes = await askYesNo({
            title: `Close ${tab.title} before it is saved?`,
            text: "What you typed has not reached the file. It stays in this browser, and goes in when the file is opened here again.",
            action: "Close it",
          });
          if (!yes) return;
        }
        if (current === tab.key) setActive(next);
        forgetFile(tab.id);
        return;
      }
      if (current === tab.key) setActive(next);
      try {
        await callProject(host.client, projectId, "terminal.close", { terminal_id: tab.id });
      } catch (caught) {
        setError(caught);
      }
      await again();
    },
    async rename(tab) {
      const name = await askName({
        title: "Rename this terminal",
        label: "Name",
        initial: tab.title,
        action: "Rename",
        check: (text) => (text.length > 100 ? "At most 100 characters." : undefined),
      });
      if (name === undefined) return;
      try {
        await callProject(host.client, projectId, "terminal.rename", { terminal_id: tab.id, name });
      } catch (caught) {
        setError(caught);
      }
      await again();
    },
    openFile(path) {
      setFiles((now) => (now.includes(path) ? now : [...now, path]));
      setActive(fileKey(path));
    },
    fileMoved(from, to) {
      for (const path of files) {
        if (path !== from && !path.startsWith(`${from}/`)) continue;
        const target = to === undefined ? undefined : to + path.slice(from.length);
        const wasActive = current === fileKey(path);
        // Typed text outlives a file that was deleted: its tab stays and says so.
        if (target === undefined && dirty[fileKey(path)]) continue;
        forgetFile(path);
        if (target === undefined) dropDraft(localStorage, projectId, path);
        else {
          moveDraft(localStorage, projectId, path, target);
          setFiles((now) => (now.includes(target) ? now : [...now, target]));
          if (wasActive) setActive(fileKey(target));
        }
      }
    },
    setDirty: useCallback(
      (key: string, value: boolean) =>
        setDirtyMap((now) => ((now[key] ?? false) === value ? now : { ...now, [key]: value })),
      [],
    ),
  };
}
