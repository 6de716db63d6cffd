/** Questions asked from anywhere: a name, or whether to go on. One at a time, each answered by a promise. */
import { Button, Modal, TextInput } from "@mantine/core";
import { type FormEvent, type ReactNode, useEffect, useState, useSyncExternalStore } from "react";

interface Question {
  title: string;
  /** What will happen, and what will not. */
  text?: string;
  /** The button, verb first: “Delete data.csv”. */
  action: string;
  danger?: boolean;
}
interface NameQuestion extends Question {
  label: string;
  initial?: string;
  /** What is wrong with it, or undefined. */
  check?: (name: string) => string | undefined;
}
type Asked =
  | { kind: "confirm"; question: Question; answer: (yes: boolean) => void }
  | { kind: "name"; question: NameQuestion; answer: (name: string | undefined) => void };

let asked: Asked | undefined;
const listeners = new Set<() => void>();

function show(next: Asked | undefined): void {
  asked = next;
  for (const listener of listeners) listener();
}

export function askYesNo(question: Question): Promise<boolean> {
  return new Promise((answer) => show({ kind: "confirm", question, answer }));
}

/** undefined when it was left without an answer. */
export function askName(question: NameQuestion): Promise<string | undefined> {
  return new Promise((answer) => show({ kind: "name", question, answer }));
}

/** Of a file or folder: no path, and no name that means another place. */
export function checkFileName(name: string): string | undefined {
  if (name === "." || name === "..") return "That is a place, not a name.";
  if (name.includes("/")) return "A name holds no slash.";
  return undefined;
}

/** Mounted once, at the root. */
export function Dialogs(): ReactNode {
  const now = useSyncExternalStore(
    (changed) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
    () => asked,
  );
  const [name, setName] = useState("");
  useEffect(() => setName(now?.kind === "name" ? (now.question.initial ?? "") : ""), [now]);
  if (!now) return null;
  const { question } = now;
  const wrong = now.kind === "name" && name.trim() !== "" ? now.question.check?.(name.trim()) : undefined;
  const leave = () => {
    show(undefined);
    if (now.kind === "confirm") now.answer(false);
    else now.answer(undefined);
  };
  const goOn = (event: FormEvent) => {
    event.preventDefault();
    if (now.kind === "name" && (name.trim() === "" || wrong !== undefined)) return;
    show(undefined);
    if (now.kind === "confirm") now.answer(true);
    else now.answer(name.trim());
  };
  return (
    <Modal opened onClose={leave} title={question.title} withCloseButton={false}>
      <form className="stack" onSubmit={goOn}>
        {question.text ? (
          <p className="dim" style={{ margin: 0 }}>
            {question.text}
          </p>
        ) : null}
        {now.kind === "name" ? (
          <TextInput
            data-autofocus
            label={now.question.label}
            value={name}
            error={wrong}
            onFocus={(event) => {
              // The ending of a file name mostly stays.
              const dot = event.currentTarget.value.lastIndexOf(".");
              event.currentTarget.setSelectionRange(0, dot > 0 ? dot : event.currentTarget.value.length);
            }}
            onChange={(event) => setName(event.currentTarget.value)}
          />
        ) : null}
        <div className="row" style={{ justifyContent: "flex-end" }}>
          <Button variant="subtle" color="gray" onClick={leave}>
            Cancel
          </Button>
          <Button
            type="submit"
            {...(question.danger ? { color: "red" } : {})}
            {...(now.kind === "confirm" ? { "data-autofocus": true } : {})}
            disabled={now.kind === "name" && (name.trim() === "" || wrong !== undefined)}
          >
            {question.action}
          </Button>
        </div>
      </form>
    </Modal>
  );
}
