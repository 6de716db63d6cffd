/** What the project uses of what it may, and when it is stopped as idle. */
import { Button, NumberInput, Select } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import type { Project } from "../../contract/api.ts";
import { api, keys, queryClient } from "../api.ts";
import { ErrorBlock } from "../components/blocks.tsx";
import { ago, bytes } from "../components/format.ts";
import { StorageBar } from "../components/storage-bar.tsx";
import { LimitFields, limitForm, limitsOf } from "./limit-fields.tsx";
import type { SectionProps } from "./sections.tsx";

const LOOK_AGAIN_MS = 3_000;

function Bar({
  label,
  used,
  of,
  text,
}: {
  label: string;
  used: number;
  of: number;
  text: string;
}): ReactNode {
  const share = Math.min(1, of > 0 ? used / of : 0);
  return (
    <div className="use">
      <span>{label}</span>
      <meter min={0} max={1} low={0.8} high={0.95} optimum={0} value={share} aria-label={label} />
      <span className="dim">{text}</span>
    </div>
  );
}

export default function UsageSection({ project }: SectionProps): ReactNode {
  const id = project.project_id;
  const running = project.state === "running";
  const usage = useQuery({
    queryKey: ["usage", id],
    queryFn: () => api.projects.usage(id),
    refetchInterval: LOOK_AGAIN_MS,
    staleTime: 0,
  });
  const now = running ? usage.data?.usage : undefined;
  const disk = usage.data?.disk;
  const { limits } = project;
  return (
    <div className="people stack" style={{ gap: 28 }}>
      <section className="stack" aria-label="Used now">
        <h2>Used now</h2>
        <ErrorBlock error={usage.error} />
        {now ? (
          <>
            <Bar
              label="Memory"
              used={now.memory_bytes}
              of={limits.memory_bytes}
              text={`${bytes(now.memory_bytes)} of ${bytes(limits.memory_bytes)}`}
            />
            <Bar
              label="Processors"
              used={now.cpus}
              of={limits.cpus}
              text={`${now.cpus.toFixed(2)} of ${limits.cpus}`}
            />
            <Bar
              label="Processes"
              used={now.processes}
              of={limits.pids}
              text={`${now.processes} of ${limits.pids}`}
            />
            <p style={{ margin: 0 }}>
              {now.awake_by.length > 0
                ? `Kept awake by ${now.awake_by.join(", ")}.`
                : `Idle ${now.idle_since ? `since ${ago(now.idle_since)}` : "now"}${
                    now.stops_at
                      ? `; it is stopped at ${new Date(now.stops_at).toLocaleTimeString()} if it stays so`
                      : ""
                  }.`}
            </p>
          </>
        ) : (
          <p className="dim" style={{ margin: 0 }}>
            {running ? "Asking its host" : "It does not run, and uses no memory and no processor."}
          </p>
        )}
      </section>
      {disk ? (
        <section className="stack" aria-label="Disk">
          <h2>Disk</h2>
          <StorageBar usage={disk} />
        </section>
      ) : null}
      {project.role === "owner" ? <Policy project={project} /> : null}
    </div>
  );
}

function Policy({ project }: { project: Project }): ReactNode {
  const [kind, setKind] = useState(
    project.idle_minutes === null ? "hub" : project.idle_minutes === 0 ? "never" : "own",
  );
  const [minutes, setMinutes] = useState(project.idle_minutes || 60);
  const [form, setForm] = useState(limitForm(project.limits));
  const save = useMutation({
    mutationFn: () =>
      api.projects.update(project.project_id, {
        limits: limitsOf(form, project.limits),
        idle_minutes: kind === "hub" ? null : kind === "never" ? 0 : minutes,
      }),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: keys.projects }),
  });
  return (
    <section className="stack" aria-label="Limits">
      <h2>Limits</h2>
      <ErrorBlock error={save.error} />
      <form
        className="row"
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          save.mutate();
        }}
      >
        <LimitFields form={form} set={(change) => setForm((now) => ({ ...now, ...change }))} />
        <Select
          label="Stopped when idle"
          allowDeselect={false}
          value={kind}
          onChange={(next) => setKind(next ?? "hub")}
          data={[
            { value: "hub", label: "As this hub does" },
            { value: "never", label: "Never" },
            { value: "own", label: "After some minutes" },
          ]}
          style={{ flex: "1 1 190px" }}
        />
        {kind === "own" ? (
          <NumberInput
            label="Minutes"
            min={1}
            max={43_200}
            value={minutes}
            onChange={(value) => setMinutes(Number(value))}
            style={{ flex: "1 1 100px" }}
          />
        ) : null}
        <Button type="submit" loading={save.isPending}>
          Save
        </Button>
      </form>
      <p className="dim" style={{ margin: 0 }}>
        Memory, CPUs and processes take effect at the next start; disk and idle time at once. A disk limit
        below what is used already takes nothing away: it refuses what would be added.
      </p>
    </section>
  );
}
