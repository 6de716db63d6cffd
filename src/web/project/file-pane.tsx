/** A tab of one file: its preview, or its text, whichever is wanted; what can be seen and edited has both. */
import { SegmentedControl } from "@mantine/core";
import { lazy, type ReactNode, Suspense, useState } from "react";
import type { Caller } from "../../conat/caller.ts";
import { isText, type ViewKind, viewKind } from "./file-kind.ts";

const EditorPane = lazy(() => import("./editing/editor.tsx"));
const PreviewPane = lazy(() => import("./preview.tsx"));

interface Props {
  client: Caller;
  projectId: string;
  path: string;
  /** Only to look on. */
  watching?: boolean;
  active: boolean;
  onDirty?: (dirty: boolean) => void;
  onMoved?: (path: string) => void;
}

/** Markdown is mostly written, the others mostly looked at. */
const editsFirst = (kind: ViewKind) => kind === "markdown";

export function FilePane(props: Props): ReactNode {
  const kind = viewKind(props.path);
  const [mode, setMode] = useState<"preview" | "edit">(
    kind === undefined || (!props.watching && editsFirst(kind)) ? "edit" : "preview",
  );
  /** An editor that was opened stays: it holds what was typed. */
  const [edited, setEdited] = useState(mode === "edit");
  if (kind === undefined) return <EditorPane {...props} />;
  const choose = (wanted: "preview" | "edit") => {
    setMode(wanted);
    if (wanted === "edit") setEdited(true);
  };
  return (
    <div className="file-pane fill">
      {isText(kind, props.path) ? (
        <div className="mode">
          <SegmentedControl
            aria-label="Show as"
            value={mode}
            onChange={(value) => choose(value as "preview" | "edit")}
            data={[
              { value: "preview", label: "Preview" },
              { value: "edit", label: props.watching ? "Text" : "Edit" },
            ]}
          />
        </div>
      ) : null}
      <div className="file-body">
        <Suspense fallback={null}>
          {mode === "preview" ? (
            <PreviewPane client={props.client} projectId={props.projectId} path={props.path} kind={kind} />
          ) : null}
          {edited ? (
            <div className="fill" style={{ visibility: mode === "edit" ? "inherit" : "hidden" }}>
              <EditorPane {...props} active={props.active && mode === "edit"} />
            </div>
          ) : null}
        </Suspense>
      </div>
    </div>
  );
}
