/** A host is deprovisioned after a dry run, or, where it does not answer, forgotten: each by typing its name. */
import { Button, Checkbox, Loader, Modal, TextInput } from "@mantine/core";
import { keepPreviousData, useMutation, useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import type { Host, Operation } from "../../contract/api.ts";
import type { LeavingPlan } from "../../contract/api-leaving.ts";
import { api, keys, queryClient } from "../api.ts";
import { Checklist, ErrorBlock, ProblemBlock } from "../components/blocks.tsx";
import { ago, plural, visible } from "../components/format.ts";

const REFRESH_MS = 1_000;
const again = () => queryClient.invalidateQueries({ queryKey: keys.hosts });
const isOver = (operation: Operation | undefined) =>
  operation !== undefined && operation.state !== "pending" && operation.state !== "running";

/** Its steps, until it has ended; `failed` is told what it ended with, once. */
export function Running({
  started,
  failed,
}: {
  started: Operation;
  failed?: (operation: Operation) => void;
}): ReactNode {
  const operation = useQuery({
    queryKey: [...keys.operations, started.operation_id],
    queryFn: () => api.operations.get(started.operation_id),
    refetchInterval: (query) => (isOver(query.state.data) ? false : REFRESH_MS),
  });
  const now = operation.data ?? started;
  const ended = isOver(now) && now.state !== "done";
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when it ends
  useEffect(() => {
    if (ended) failed?.(now);
  }, [ended]);
  return (
    <>
      <Checklist steps={now.steps} />
      {ended && now.problem && !now.steps.some((step) => step.problem) ? (
        <ProblemBlock problem={now.problem} />
      ) : null}
    </>
  );
}

export function LeaveDialog({
  host,
  close,
  done,
}: {
  host: Host;
  close: () => void;
  done: () => void;
}): ReactNode {
  const name = visible(host.name);
  const [keepData, setKeepData] = useState(false);
  const [without, setWithout] = useState(false);
  const [typed, setTyped] = useState("");
  const [failed, setFailed] = useState(false);
  const plan = useQuery({
    queryKey: ["leaving", host.host_id, keepData],
    queryFn: () => api.leaving.plan(host.host_id, keepData),
    // The lists change; the dialog and what is typed in it stay.
    placeholderData: keepPreviousData,
  });
  const leave = useMutation({
    mutationFn: () =>
      api.leaving.deprovision(host.host_id, { keep_data: keepData, without_backups: without }),
  });
  const forget = useMutation({
    mutationFn: () => api.leaving.forget(host.host_id, true),
    async onSuccess() {
      await again();
      close();
      done();
    },
  });
  const told = plan.data;
  // As it is shown, or as it is.
  const sure = (typed === host.name || typed === name) && !plan.isPlaceholderData;
  const connected = told?.connected;
  // A name typed for one act is no word for the other.
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is what the reset depends on
  useEffect(() => setTyped(""), [connected]);
  return (
    <Modal opened onClose={close} title={`Take ${name} out`} size="lg">
      <div className="stack">
        <ErrorBlock error={plan.error ?? leave.error ?? forget.error} />
        {leave.data ? (
          <>
            <Running key={leave.data.operation_id} started={leave.data} failed={() => setFailed(true)} />
            {failed ? (
              <div className="row">
                <Button
                  variant="default"
                  onClick={() => {
                    leave.reset();
                    setFailed(false);
                    void plan.refetch();
                  }}
                >
                  Back to what it does
                </Button>
              </div>
            ) : (
              <p className="dim" style={{ margin: 0 }}>
                It goes on by itself when this is closed. Afterwards the Hosts page says where its projects’
                backups are.
              </p>
            )}
          </>
        ) : null}
        {plan.isPending ? <Loader size="sm" aria-label="Looking at what is there" /> : null}
        {told && !leave.data ? (
          <>
            <Projects plan={told} />
            {told.connected ? (
              <>
                <Checkbox
                  label="Keep its data there: projects, images, the pool"
                  checked={keepData}
                  onChange={(event) => setKeepData(event.currentTarget.checked)}
                />
                <Things title="Removed on the machine" of={told.removes} />
                <Things title="Kept there" of={told.keeps} />
                {told.projects.length > 0 ? (
                  <Checkbox
                    label="Go on without proven final backups: what is newer than the last one is lost"
                    checked={without}
                    onChange={(event) => setWithout(event.currentTarget.checked)}
                  />
                ) : null}
              </>
            ) : (
              <ProblemBlock
                tone="warn"
                problem={{
                  code: "host.away",
                  title: `${name} does not answer: it can only be forgotten`,
                  why: "Forgotten, it cannot come back with its key. What is newer there than each project’s last proven backup is lost to this hub. Nothing is deleted on the machine itself.",
                  fix: "If it may come back, switch it on and deprovision it instead: that backs its projects up first.",
                }}
              />
            )}
            <TextInput
              label={`Type ${name} to go on`}
              value={typed}
              autoComplete="off"
              spellCheck={false}
              onChange={(event) => setTyped(event.currentTarget.value)}
            />
            <div className="row">
              {told.connected ? (
                <Button color="red" disabled={!sure} loading={leave.isPending} onClick={() => leave.mutate()}>
                  Deprovision {name}
                </Button>
              ) : (
                <Button
                  color="red"
                  disabled={!sure}
                  loading={forget.isPending}
                  onClick={() => forget.mutate()}
                >
                  Forget {name}
                </Button>
              )}
              <Button variant="subtle" onClick={close}>
                Cancel
              </Button>
            </div>
          </>
        ) : null}
      </div>
    </Modal>
  );
}

function Projects({ plan }: { plan: LeavingPlan }): ReactNode {
  if (plan.projects.length === 0) return <p className="dim">No project is on it. Nothing has changed yet.</p>;
  return (
    <section aria-label="Its projects">
      <b>{plural(plan.projects.length, "project")} on it. Nothing has changed yet.</b>
      <ul style={{ margin: "4px 0", paddingLeft: 20 }}>
        {plan.projects.map((one) => (
          <li key={one.project_id}>
            <bdi>{visible(one.name)}</bdi>, {one.state}:{" "}
            {one.last_proven ? (
              `last proven backup ${ago(one.last_proven)}`
            ) : (
              <span className="warn-text">no proven backup</span>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Things({ title, of }: { title: string; of: string[] }): ReactNode {
  if (of.length === 0) return null;
  return (
    <section aria-label={title}>
      <b>{title}</b>
      <ul style={{ margin: "4px 0", paddingLeft: 20 }}>
        {of.map((one) => (
          <li key={one} className="breaks">
            {one}
          </li>
        ))}
      </ul>
    </section>
  );
}
