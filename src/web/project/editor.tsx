/** A text file: read, edited, saved as a whole; what somebody else wrote meanwhile is never overwritten unasked. */

import { indentWithTab } from "@codemirror/commands";
import { LanguageDescription } from "@codemirror/language";
import { languages } from "@codemirror/language-data";
import { Compartment, EditorState } from "@codemirror/state";
import { keymap } from "@codemirror/view";
import { Button, useComputedColorScheme } from "@mantine/core";
import { basicSetup, EditorView } from "codemirror";
import { type ReactNode, useCallback, useEffect, useRef, useState } from "react";
import type { ConatClient } from "../../conat/client.ts";
import { readFile, writeFile } from "../../contract/project-client.ts";
import type { FileInfo } from "../../contract/project-services.ts";
import { CodedError } from "../../core/errors.ts";
import { ErrorBlock, ProblemBlock } from "../components/blocks.tsx";
import { bytes } from "../components/format.ts";

interface Props {
  client: ConatClient;
  projectId: string;
  path: string;
  active: boolean;
  onDirty: (dirty: boolean) => void;
}

const look = (dark: boolean) =>
  EditorView.theme(
    {
      "&": { backgroundColor: "var(--lp-surface)", color: "var(--lp-code-text)", fontSize: "13px" },
      ".cm-scroller": { fontFamily: "'JetBrains Mono Variable', ui-monospace, monospace" },
      ".cm-gutters": { backgroundColor: "var(--lp-surface)", color: "var(--lp-text-3)", border: "none" },
      ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--lp-hover)" },
    },
    { dark },
  );

export default function EditorPane({
  client,
  projectId,
  path,
  active,
  onDirty: tellDirty,
}: Props): ReactNode {
  // The parent makes a new function at each of its renders: that must not load the file anew.
  const latest = useRef(tellDirty);
  latest.current = tellDirty;
  const onDirty = useCallback((dirty: boolean) => latest.current(dirty), []);
  const element = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(undefined);
  const saved = useRef<{ text: string; etag: string }>(undefined);
  const [file, setFile] = useState<FileInfo>();
  const [error, setError] = useState<unknown>();
  const [conflict, setConflict] = useState(false);
  const [saving, setSaving] = useState(false);
  const dark = useComputedColorScheme("light") === "dark";
  const themeOf = useRef(new Compartment());

  const load = useCallback(async () => {
    try {
      const { file: info, bytes: content } = await readFile(client, projectId, path);
      const text = new TextDecoder("utf-8", { fatal: true }).decode(content);
      saved.current = { text, etag: info.etag };
      setFile(info);
      setError(undefined);
      setConflict(false);
      onDirty(false);
      view.current?.dispatch({ changes: { from: 0, to: view.current.state.doc.length, insert: text } });
      return text;
    } catch (caught) {
      setError(
        caught instanceof TypeError
          ? new CodedError({
              code: "file.not-text",
              title: "This file is not text",
              why: "It is not valid UTF-8.",
              fix: "Open it with a program in a terminal.",
            })
          : caught,
      );
      return undefined;
    }
  }, [client, projectId, path, onDirty]);

  const save = useCallback(
    async (force = false) => {
      const text = view.current?.state.doc.toString();
      if (text === undefined || saved.current === undefined) return;
      setSaving(true);
      try {
        const written = await writeFile(
          client,
          projectId,
          path,
          text,
          force ? {} : { etag: saved.current.etag },
        );
        saved.current = { text, etag: written.etag };
        setFile(written);
        setError(undefined);
        setConflict(false);
        onDirty(view.current?.state.doc.toString() !== text);
      } catch (caught) {
        if (caught instanceof CodedError && caught.code === "file.changed") setConflict(true);
        else setError(caught);
      } finally {
        setSaving(false);
      }
    },
    [client, projectId, path, onDirty],
  );

  // biome-ignore lint/correctness/useExhaustiveDependencies: made once for each file; the theme follows below
  useEffect(() => {
    let live = true;
    void load().then(async (text) => {
      if (!live || text === undefined || !element.current) return;
      const description = LanguageDescription.matchFilename(languages, path.split("/").pop() ?? "");
      const language = await description?.load().catch(() => undefined);
      if (!live || !element.current) return;
      view.current = new EditorView({
        parent: element.current,
        state: EditorState.create({
          doc: text,
          extensions: [
            basicSetup,
            keymap.of([
              indentWithTab,
              {
                key: "Mod-s",
                preventDefault: true,
                run: () => {
                  void save();
                  return true;
                },
              },
            ]),
            themeOf.current.of(look(dark)),
            EditorView.contentAttributes.of({ "aria-label": `Text of ${path}` }),
            EditorView.updateListener.of((update) => {
              if (update.docChanged) onDirty(update.state.doc.toString() !== saved.current?.text);
            }),
            ...(language ? [language] : []),
          ],
        }),
      });
      if (active) view.current.focus();
    });
    return () => {
      live = false;
      view.current?.destroy();
      view.current = undefined;
    };
  }, [load]);
  useEffect(() => view.current?.dispatch({ effects: themeOf.current.reconfigure(look(dark)) }), [dark]);

  return (
    <div className="editor fill">
      {error ? (
        <div style={{ padding: 12 }}>
          <ErrorBlock error={error} />
        </div>
      ) : null}
      {conflict ? (
        <div style={{ padding: "12px 12px 0" }}>
          <ProblemBlock
            tone="warn"
            problem={{
              code: "file.changed",
              title: "Somebody else changed this file since you opened it",
              why: "Nothing was written yet.",
              fix: "Keep yours, or load theirs.",
            }}
          >
            <div className="row">
              <Button size="xs" onClick={() => void save(true)}>
                Overwrite with mine
              </Button>
              <Button size="xs" variant="default" onClick={() => void load()}>
                Load theirs, lose mine
              </Button>
            </div>
          </ProblemBlock>
        </div>
      ) : null}
      <div ref={element} className="cm-host" />
      <div className="status">
        <span className="mono">{path}</span>
        <span>{file ? bytes(file.size) : ""}</span>
        <span>{saving ? "Saving" : ""}</span>
        <span style={{ flex: 1 }} />
        <span>Ctrl S saves</span>
      </div>
    </div>
  );
}
