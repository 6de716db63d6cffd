/** What is wrong with an open file, where something is, and the ways out; what was typed stays in the editor below it. */
import { Button } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { CodedError, type ProblemDetails } from "../../../core/errors.ts";
import { otherName } from "../../../core/other-name.ts";
import { ErrorBlock, ProblemBlock } from "../../components/blocks.tsx";
import { askName } from "../../components/dialogs.tsx";
import { DownloadInstead } from "../download-instead.tsx";
import type { OpenFile, OpenFileState } from "./open-file.ts";

const GONE: ProblemDetails = {
  code: "file.gone",
  title: "This file is no longer there",
  why: "Somebody, or a program, removed it or gave it another name. The text is kept here.",
  fix: "Save it anew under this name or under another one, or close it.",
};
const MISFIT: ProblemDetails = {
  code: "edit.draft-unusable",
  title: "What was typed here before the page was closed cannot be put in",
  why: "The file was replaced meanwhile, and the text was too long to be kept whole in this browser.",
  fix: "Type it again; a snapshot of the project may have an earlier state.",
};
/** What stands there is no file, and is not to be written over. */
const IN_ITS_PLACE: Record<string, string> = {
  "file.is-a-folder": "There is a folder where this file was",
  "file.not-regular": "There is a pipe, socket or device where this file was",
  "file.not-a-folder": "The folder that this file was in is a folder no more",
};
const OVER = new Set(["file.binary", "file.too-large"]);

/** In the words of one who had a text there. */
function told(problem: ProblemDetails): ProblemDetails {
  const title = IN_ITS_PLACE[problem.code];
  if (title !== undefined)
    return {
      ...problem,
      title,
      why: "Somebody, or a program, put it there. It is left alone, and the text is kept here.",
      fix: "Save the text under another name, or move away what is there now.",
    };
  if (OVER.has(problem.code))
    return {
      ...problem,
      why: `${problem.why ?? ""} The text is kept here.`.trim(),
      fix: "Write the text over it, or save it under another name.",
    };
  return problem;
}

interface Props {
  path: string;
  state: OpenFileState;
  download: string;
  open: { current: OpenFile | undefined };
  watching: boolean;
}

export function Troubles({ path, state, download, open, watching }: Props): ReactNode {
  const [failed, setFailed] = useState<unknown>();
  const { error, problem, live, ready, gone } = state;
  const attempt = async (what: () => Promise<void> | undefined) => {
    try {
      await what();
      setFailed(undefined);
    } catch (caught) {
      setFailed(caught);
    }
  };
  const elsewhere = async () => {
    const to = await askName({
      title: "Save the text under another name",
      text: "As a new file. Whoever has this one open goes along; what is at its old place now stays as it is.",
      label: "File, as seen from the home folder",
      initial: otherName(path, 2).toWellFormed(),
      action: "Save it there",
      check: (name) => (/(^|\/)\.{0,2}$/.test(name) ? "That is a folder, not a file." : undefined),
    });
    if (to !== undefined) await attempt(() => open.current?.link.saveAs(to));
  };
  const button = (text: string, run: () => void, filled = false) => (
    <Button size="xs" variant={filled ? "filled" : "default"} onClick={run}>
      {text}
    </Button>
  );
  const saveAnew = (how: () => Promise<void> | undefined) =>
    button("Save it anew", () => void attempt(how), true);
  const over = async () => open.current?.link.save(true);
  const missing = error instanceof CodedError && error.code === "file.not-found";

  let block: ReactNode = null;
  if (error) {
    block = (
      <>
        <ErrorBlock error={error} />
        <div className="row">
          {missing && ready && !watching ? saveAnew(() => open.current?.link.makeAnew()) : null}
          {button("Try again", () => open.current?.link.retry())}
          {ready && !watching ? button("Save under another name", () => void elsewhere()) : null}
        </div>
        {ready || missing ? null : (
          <DownloadInstead href={download} text="It can be had as it is, whatever is in it." />
        )}
      </>
    );
  } else if (live && (gone || problem !== undefined)) {
    const foreign = problem !== undefined && OVER.has(problem.code);
    const other = problem !== undefined && problem.code in IN_ITS_PLACE;
    block = (
      <ProblemBlock problem={gone || !problem ? GONE : told(problem)} tone={gone ? "warn" : "bad"}>
        {watching ? null : (
          <div className="row" style={{ marginTop: 8 }}>
            {gone ? saveAnew(over) : null}
            {!gone && foreign ? button("Write mine over it", () => void attempt(over), true) : null}
            {gone || foreign || other ? null : button("Try again", () => open.current?.link.save(), true)}
            {button("Save under another name", () => void elsewhere(), !gone && other)}
          </div>
        )}
      </ProblemBlock>
    );
  } else if (state.misfit) block = <ProblemBlock tone="warn" problem={MISFIT} />;
  if (block === null) return null;
  return (
    <div className="trouble">
      {block}
      <ErrorBlock error={failed} />
    </div>
  );
}
