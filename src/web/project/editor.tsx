/** The pane of one text file: see open-file.ts for what it does. */
import { Button, useComputedColorScheme } from "@mantine/core";
import { type ReactNode, useEffect, useRef, useState } from "react";
import type { ConatClient } from "../../conat/client.ts";
import { ErrorBlock, ProblemBlock } from "../components/blocks.tsx";
import { bytes } from "../components/format.ts";
import { OpenFile, type OpenFileState } from "./open-file.ts";

interface Props {
  client: ConatClient;
  projectId: string;
  path: string;
  active: boolean;
  onDirty: (dirty: boolean) => void;
}

export default function EditorPane({ client, projectId, path, active, onDirty }: Props): ReactNode {
  const element = useRef<HTMLDivElement>(null);
  const open = useRef<OpenFile>(undefined);
  const [state, setState] = useState<OpenFileState>();
  const dark = useComputedColorScheme("light", { getInitialValueInEffect: false }) === "dark";
  const darkNow = useRef(dark);
  const tellDirty = useRef(onDirty);
  tellDirty.current = onDirty;

  useEffect(() => {
    if (!element.current) return;
    const made = new OpenFile({
      client,
      projectId,
      path,
      parent: element.current,
      dark: darkNow.current,
      onState: setState,
    });
    open.current = made;
    return () => {
      open.current = undefined;
      made.close();
    };
  }, [client, projectId, path]);
  useEffect(() => {
    darkNow.current = dark;
    open.current?.setDark(dark);
  }, [dark]);
  useEffect(() => {
    if (active) open.current?.focus();
  }, [active]);
  const dirty = state?.dirty ?? false;
  useEffect(() => tellDirty.current(dirty), [dirty]);

  return (
    <div className="editor fill">
      {state?.error ? (
        <div style={{ padding: 12 }}>
          <ErrorBlock error={state.error} />
          <Button size="xs" variant="default" onClick={() => void open.current?.load()}>
            {state.loaded ? "Load it again" : "Try again"}
          </Button>
        </div>
      ) : null}
      {state?.conflict ? (
        <div style={{ padding: "12px 12px 0" }}>
          <ProblemBlock
            tone="warn"
            problem={{
              code: "file.changed",
              title: "The file on disk is no longer the one you opened",
              why: "Somebody, or a program, changed or removed it meanwhile. Nothing of yours was written yet.",
              fix: "Keep yours, or take what is on disk.",
            }}
          >
            <div className="row" style={{ marginTop: 8 }}>
              <Button size="xs" onClick={() => void open.current?.save(true)}>
                Write mine over it
              </Button>
              <Button size="xs" variant="default" onClick={() => void open.current?.load()}>
                Take theirs, lose mine
              </Button>
            </div>
          </ProblemBlock>
        </div>
      ) : null}
      <div ref={element} className="cm-host" />
      <div className="status">
        <span className="mono">
          <bdi>{path}</bdi>
        </span>
        <span>{state?.loaded ? bytes(state.size) : ""}</span>
        <span>{state?.language}</span>
        <span style={{ flex: 1 }} />
        {state?.unkept ? (
          <span className="warn-text">Too long to come back after a reload: save it</span>
        ) : null}
        <span role="status">
          {state?.saving ? "Saving" : dirty ? "Not saved" : state?.loaded ? "Saved" : ""}
        </span>
        <Button
          size="xs"
          variant="default"
          disabled={!dirty || state?.saving === true}
          onClick={() => void open.current?.save()}
          title="Ctrl S"
        >
          Save
        </Button>
      </div>
    </div>
  );
}
