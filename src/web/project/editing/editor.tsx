/** The pane of one text file, and of who else is in it: see edit-link.ts for how it is kept. */
import { Button, useComputedColorScheme } from "@mantine/core";
import { type ReactNode, useEffect, useRef, useState } from "react";
import type { Caller } from "../../../conat/caller.ts";
import { filesUrl } from "../../../contract/files-http.ts";
import type { EditPerson } from "../../../contract/project-services/editing.ts";
import { Face } from "../../components/faces.tsx";
import { bytes } from "../../components/format.ts";
import { editStatus } from "./edit-status.ts";
import { OpenFile, type OpenFileState } from "./open-file.ts";
import { Troubles } from "./troubles.tsx";

/** Faces in the status line; the rest are a number. */
const MOST_FACES = 5;

interface Props {
  client: Caller;
  projectId: string;
  path: string;
  /** Only to look on. */
  watching?: boolean;
  active: boolean;
  /** Whether closing it now could lose something. */
  onDirty?: (dirty: boolean) => void;
  /** Somebody gave it another name. */
  onMoved?: (path: string) => void;
}

export default function EditorPane({
  client,
  projectId,
  path,
  watching = false,
  active,
  onDirty,
  onMoved,
}: Props): ReactNode {
  const element = useRef<HTMLDivElement>(null);
  const open = useRef<OpenFile>(undefined);
  const [state, setState] = useState<OpenFileState>();
  const dark = useComputedColorScheme("light", { getInitialValueInEffect: false }) === "dark";
  const darkNow = useRef(dark);
  const tellDirty = useRef(onDirty);
  tellDirty.current = onDirty;
  const tellMoved = useRef(onMoved);
  tellMoved.current = onMoved;

  useEffect(() => {
    if (!element.current) return;
    const made = new OpenFile({
      caller: client,
      projectId,
      path,
      watching,
      parent: element.current,
      dark: darkNow.current,
      onState: setState,
      onMoved: (to) => tellMoved.current?.(to),
    });
    open.current = made;
    return () => {
      open.current = undefined;
      made.close();
    };
  }, [client, projectId, path, watching]);
  useEffect(() => {
    darkNow.current = dark;
    open.current?.setDark(dark);
  }, [dark]);
  useEffect(() => {
    if (active) open.current?.focus();
  }, [active]);
  const { word, unsafe } = state ? editStatus(state) : { word: "" as const, unsafe: false };
  useEffect(() => tellDirty.current?.(unsafe), [unsafe]);
  const download = filesUrl(projectId, "download", path);
  // What can be done then is said above the text.
  const inTheWay = state !== undefined && (state.gone || state.problem !== undefined);

  return (
    <div className="editor fill">
      {state ? (
        <Troubles path={path} state={state} download={download} open={open} watching={watching} />
      ) : null}
      <div ref={element} className="cm-host" />
      <div className="status">
        <span className="mono">
          <bdi>{path}</bdi>
        </span>
        <span>{state?.ready ? bytes(state.size) : ""}</span>
        <span className="language">{state?.language}</span>
        <span style={{ flex: 1 }} />
        {state?.unstored ? (
          <span className="warn-text">Too long to come back after a reload: keep this page open</span>
        ) : null}
        {state && state.others.length > 0 ? <Others people={state.others} /> : null}
        <span role="status">{word}</span>
        {watching ? (
          <Button size="xs" variant="default" component="a" href={download} download>
            Download
          </Button>
        ) : (
          <Button
            size="xs"
            variant="default"
            disabled={!state?.live || inTheWay || word !== "Saving"}
            onClick={() => open.current?.link.save()}
            title="Ctrl S; it is saved by itself after a pause"
          >
            Save
          </Button>
        )}
      </div>
    </div>
  );
}

function Others({ people }: { people: EditPerson[] }): ReactNode {
  return (
    <span className="faces">
      <span className="vh">In this file: </span>
      {people.slice(0, MOST_FACES).map((one) => (
        <Face key={one.account_id} id={one.account_id} name={one.name} />
      ))}
      {people.length > MOST_FACES ? <span className="dim">+{people.length - MOST_FACES}</span> : null}
    </span>
  );
}
