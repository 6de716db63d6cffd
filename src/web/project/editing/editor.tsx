/** The pane of one text file, and of who else is in it: see edit-link.ts for how it is kept. */
import { Button, useComputedColorScheme } from "@mantine/core";
import { type ReactNode, useEffect, useRef, useState } from "react";
import type { Caller } from "../../../conat/caller.ts";
import { filesUrl } from "../../../contract/files-http.ts";
import type { EditPerson } from "../../../contract/project-services/editing.ts";
import { CodedError } from "../../../core/errors.ts";
import { ErrorBlock, ProblemBlock } from "../../components/blocks.tsx";
import { Face } from "../../components/faces.tsx";
import { bytes } from "../../components/format.ts";
import { DownloadInstead } from "../download-instead.tsx";
import { editStatus } from "./edit-status.ts";
import { OpenFile, type OpenFileState } from "./open-file.ts";

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
  const save = (over: boolean) => open.current?.link.save(over);

  return (
    <div className="editor fill">
      {state ? (
        <Troubles state={state} download={download} open={open} save={save} watching={watching} />
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
            disabled={!state?.live || state.gone || (word !== "Saving" && word !== "Not saved")}
            onClick={() => save(false)}
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

/** What is wrong, where something is; what was typed stays in the editor below it. */
function Troubles({
  state,
  download,
  open,
  save,
  watching,
}: {
  state: OpenFileState;
  download: string;
  open: { current: OpenFile | undefined };
  save: (over: boolean) => void;
  watching: boolean;
}): ReactNode {
  const missing = state.error instanceof CodedError && state.error.code === "file.not-found";
  const over = (
    <Button size="xs" onClick={() => save(true)}>
      {state.gone ? "Save it anew" : "Write mine over it"}
    </Button>
  );
  let block: ReactNode = null;
  if (state.error) {
    block = (
      <>
        <ErrorBlock error={state.error} />
        <Button size="xs" variant="default" onClick={() => open.current?.link.retry()}>
          Try again
        </Button>
        {missing && state.ready && !watching ? (
          <Button size="xs" onClick={() => void open.current?.link.makeAnew()}>
            Save it anew
          </Button>
        ) : null}
        {state.ready || missing ? null : (
          <DownloadInstead href={download} text="It can be had as it is, whatever is in it." />
        )}
      </>
    );
  } else if (state.live && state.gone) {
    block = (
      <ProblemBlock
        tone="warn"
        problem={{
          code: "file.gone",
          title: "This file is no longer there",
          why: "Somebody, or a program, removed it or gave it another name. The text is kept here.",
          fix: "Save it anew under this name, or close it.",
        }}
      >
        <div style={{ marginTop: 8 }}>{over}</div>
      </ProblemBlock>
    );
  } else if (state.problem !== undefined) {
    const { code } = state.problem;
    const foreign = code === "file.binary" || code === "file.too-large";
    // What stands there is no file, and is not to be written over.
    const other = code === "file.is-a-folder" || code === "file.not-regular";
    const fix = "The text is kept here. Give what is there another name, and it can be saved again.";
    block = (
      <ProblemBlock problem={other ? { ...state.problem, fix } : state.problem}>
        {foreign ? <div style={{ marginTop: 8 }}>{over}</div> : null}
      </ProblemBlock>
    );
  } else if (state.misfit) {
    block = (
      <ProblemBlock
        tone="warn"
        problem={{
          code: "edit.draft-unusable",
          title: "What was typed here before the page was closed cannot be put in",
          why: "The file was replaced meanwhile, and the text was too long to be kept whole in this browser.",
          fix: "Type it again; a snapshot of the project may have an earlier state.",
        }}
      />
    );
  }
  return block === null ? null : <div className="trouble">{block}</div>;
}
