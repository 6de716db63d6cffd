/** The few forms that every page is made of: problem, command, checklist, page head. */
import { Button } from "@mantine/core";
import { type ReactNode, useRef, useState } from "react";
import type { Step } from "../../contract/api.ts";
import { type ProblemDetails, toProblem } from "../../core/errors.ts";
import { Icon } from "./icons.tsx";
import { ProblemGlyph, StepGlyph } from "./state.tsx";

const COPIED_MS = 1_600;

export function CopyButton({
  text,
  autoFocus = false,
  select,
}: {
  text: string;
  autoFocus?: boolean;
  /** Marks the text, where the browser must be told to copy by hand. */
  select?: () => void;
}): ReactNode {
  const [said, setSaid] = useState<string>();
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid("Copied");
    } catch {
      // No clipboard on plain HTTP.
      select?.();
      setSaid("Press Ctrl C");
    }
    setTimeout(() => setSaid(undefined), COPIED_MS);
  };
  return (
    <Button
      variant="default"
      size="xs"
      leftSection={<Icon name={said === "Copied" ? "check" : "copy"} />}
      onClick={() => void copy()}
      aria-live="polite"
      {...(autoFocus ? { "data-autofocus": true } : {})}
    >
      {said ?? "Copy"}
    </Button>
  );
}

export function CommandBlock({
  where,
  command,
  prompt = false,
  autoFocus = false,
}: {
  where: string;
  command: string;
  /** It is for a shell. */
  prompt?: boolean;
  autoFocus?: boolean;
}): ReactNode {
  const pre = useRef<HTMLPreElement>(null);
  const select = () => {
    if (pre.current) getSelection()?.selectAllChildren(pre.current);
  };
  return (
    <div className="command">
      <div className="where">
        <Icon name={prompt ? "terminal" : "key"} />
        <span>{where}</span>
      </div>
      <div className="line">
        {prompt ? (
          <span className="sign mono" aria-hidden="true">
            $
          </span>
        ) : null}
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by key */}
        <pre ref={pre} className="mono" tabIndex={0}>
          {command}
        </pre>
        <CopyButton text={command} select={select} autoFocus={autoFocus} />
      </div>
    </div>
  );
}

/** The one form of every failure: the same words as in the CLI and the API. */
export function ProblemBlock({
  problem,
  tone = "bad",
  children,
}: {
  problem: ProblemDetails;
  tone?: "bad" | "warn";
  children?: ReactNode;
}): ReactNode {
  return (
    <div className={`problem ${tone}`} role={tone === "bad" ? "alert" : "status"}>
      <div className="title">
        <ProblemGlyph tone={tone} />
        <span>{problem.title}</span>
        <span className="code mono">{problem.code}</span>
      </div>
      <dl>
        {problem.why ? (
          <>
            <dt>Why</dt>
            <dd>{problem.why}</dd>
          </>
        ) : null}
        {(problem.errors ?? []).map((field) => (
          <FieldError key={field.path + field.message} {...field} />
        ))}
        {problem.fix ? (
          <>
            <dt>Fix</dt>
            <dd>{problem.fix}</dd>
          </>
        ) : null}
      </dl>
      {problem.command ? <CommandBlock where="Run" command={problem.command} prompt /> : null}
      {children}
    </div>
  );
}
function FieldError({ path, message }: { path: string; message: string }): ReactNode {
  return (
    <>
      <dt />
      <dd>
        <b>{path}</b>: {message}
      </dd>
    </>
  );
}

export function ErrorBlock({ error }: { error: unknown }): ReactNode {
  return error ? <ProblemBlock problem={toProblem(error)} /> : null;
}

const clock = (iso: string) => new Date(iso).toLocaleTimeString();

export function Checklist({ steps }: { steps: Step[] }): ReactNode {
  return (
    <ol className="checklist">
      {steps.map((step) => (
        <li key={step.name}>
          <StepGlyph state={step.state} />
          <span>
            <span className={step.state === "pending" ? "dim" : undefined}>{step.label}</span>{" "}
            <span className="dim">{step.detail ?? ""}</span>
          </span>
          <span className="dim">{step.finished_at ? clock(step.finished_at) : ""}</span>
          {step.problem ? (
            <div className="wide">
              <ProblemBlock problem={step.problem} />
            </div>
          ) : null}
        </li>
      ))}
    </ol>
  );
}

export function PageHead({
  title,
  note,
  children,
}: {
  title: string;
  note?: ReactNode;
  children?: ReactNode;
}): ReactNode {
  return (
    <header className="head">
      <h1>{title}</h1>
      {note ? <span className="dim">{note}</span> : null}
      <span className="spacer" />
      {children}
    </header>
  );
}
