/** What a project's page says while nothing runs in it: why, and what can be done. */
import { Button } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { Project } from "../../contract/api.ts";
import { api, keys } from "../api.ts";
import { Checklist, ErrorBlock, ProblemBlock } from "../components/blocks.tsx";
import { ago } from "../components/format.ts";
import { ProjectStateLabel } from "../components/state.tsx";
import { BringBack } from "./place-menu.tsx";

const LOG_LINES = 20;

export function NotRunning({ project, start }: { project: Project; start: () => void }): ReactNode {
  const viewer = project.role === "viewer";
  switch (project.state) {
    case "failed":
      return <Failed project={project} start={start} />;
    case "away":
      return (
        <ProblemBlock
          tone="warn"
          problem={
            project.problem ?? {
              code: "host.away",
              title: `${project.host_name ?? "Its host"} does not answer`,
              why: "What ran there may still be running.",
              fix: "It connects again by itself; this page goes on then.",
            }
          }
        />
      );
    case "archived":
      return <BringBack project={project} />;
    case "stopped":
      return (
        <div className="stack">
          <h2>This project is stopped</h2>
          <p className="dim" style={{ margin: 0 }}>
            Since {ago(project.state_since)}. {project.problem ? `${project.problem.title}. ` : ""}Its files
            are kept.{" "}
            {viewer
              ? "Its owner and collaborators can start it."
              : "Start it to open terminals, files and web servers."}
          </p>
          {viewer ? null : (
            <div>
              <Button onClick={start}>Start</Button>
            </div>
          )}
        </div>
      );
    default:
      return <UnderWay project={project} />;
  }
}

function Failed({ project, start }: { project: Project; start: () => void }): ReactNode {
  const logs = useQuery({
    queryKey: ["logs", project.project_id],
    queryFn: () => api.projects.logs(project.project_id),
    retry: false,
    staleTime: 0,
  });
  const lines = logs.data?.lines.slice(-LOG_LINES) ?? [];
  return (
    <div className="stack">
      <ProblemBlock
        problem={
          project.problem ?? {
            code: "project.failed",
            title: "This project does not run",
            why: "It said no more.",
          }
        }
      >
        <div style={{ marginTop: 8 }}>
          <Button onClick={start}>Start again</Button>
        </div>
      </ProblemBlock>
      {lines.length > 0 ? (
        <section aria-label="Last lines of its log">
          <h2>Last lines of its log</h2>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by key */}
          <pre className="log mono" tabIndex={0}>
            {lines.join("\n")}
          </pre>
        </section>
      ) : null}
    </div>
  );
}

/** Starting, stopping, waiting its turn: the real steps, and a way out. */
function UnderWay({ project }: { project: Project }): ReactNode {
  const operations = useQuery({ queryKey: keys.operations, queryFn: api.operations.list, staleTime: 0 });
  const operation = operations.data?.find(
    (one) => one.subject.id === project.project_id && (one.state === "running" || one.state === "pending"),
  );
  const cancel = useMutation({ mutationFn: (id: string) => api.operations.cancel(id) });
  return (
    <div className="stack" role="status">
      <ProjectStateLabel
        state={project.state}
        detail={project.queue_place ? `place ${project.queue_place} in line` : project.phase}
      />
      {operation && operation.steps.length > 0 ? <Checklist steps={operation.steps} /> : null}
      <ErrorBlock error={cancel.error} />
      {operation && (project.state === "starting" || project.state === "queued") ? (
        <div>
          <Button
            variant="default"
            loading={cancel.isPending}
            onClick={() => cancel.mutate(operation.operation_id)}
          >
            Cancel
          </Button>
        </div>
      ) : null}
    </div>
  );
}
