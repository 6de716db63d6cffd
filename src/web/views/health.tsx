import { Button } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { Check } from "../../contract/api.ts";
import { api, keys, queryClient } from "../api.ts";
import { ErrorBlock, PageHead, ProblemBlock } from "../components/blocks.tsx";
import { ago, visible } from "../components/format.ts";
import { CheckGlyph } from "../components/state.tsx";

export default function HealthView(): ReactNode {
  const last = useQuery({ queryKey: keys.doctor, queryFn: api.doctor.last });
  const run = useMutation({
    mutationFn: api.doctor.run,
    onSuccess: (report) => queryClient.setQueryData(keys.doctor, report),
  });
  const report = last.data;
  const groups = [...new Set((report?.checks ?? []).map((one) => one.group))];
  const counts = report
    ? (
        [
          [report.counts.ok, "good"],
          [report.counts.warn, report.counts.warn === 1 ? "warning" : "warnings"],
          [report.counts.fail, "failing"],
          [report.counts.unknown, "unknown"],
          [report.counts.skipped, "not needed"],
        ] as const
      )
        .flatMap(([count, word]) => (count > 0 ? [`${count} ${word}`] : []))
        .join(", ")
    : undefined;
  return (
    <>
      <PageHead title="Health" note={counts}>
        {report ? <span className="dim">Checked {ago(report.ran_at)}</span> : null}
        <Button onClick={() => run.mutate()} loading={run.isPending}>
          Check all now
        </Button>
      </PageHead>
      <div className="body">
        <ErrorBlock error={last.error ?? run.error} />
        {last.isSuccess && !report ? (
          <div className="empty">
            Nothing was checked since the hub started, so nothing is known to be healthy.
          </div>
        ) : null}
        {groups.map((group) => (
          <section key={group} aria-label={group} style={{ marginBottom: 20 }}>
            <h2 style={{ padding: "8px 0 4px" }}>
              <bdi>{visible(group)}</bdi>
            </h2>
            {(report?.checks ?? [])
              .filter((one) => one.group === group)
              .map((check) => (
                <CheckRow key={check.code + (check.host_id ?? "")} check={check} />
              ))}
          </section>
        ))}
      </div>
    </>
  );
}

function CheckRow({ check }: { check: Check }): ReactNode {
  return (
    <>
      <div className="check-row">
        <CheckGlyph status={check.status} />
        <span className="name">{check.name}</span>
        <span className="dim value">{check.value ?? "unknown"}</span>
        <span className="mono dim">{check.code}</span>
      </div>
      {check.problem ? (
        <ProblemBlock problem={check.problem} tone={check.status === "warn" ? "warn" : "bad"} />
      ) : null}
    </>
  );
}
