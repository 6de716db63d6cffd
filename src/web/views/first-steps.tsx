/** First steps of a new hub, for its admin: a machine, a project, a backup, and a file that came back out of it. */
import { Button } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import { Link } from "wouter";
import type { Operation, Step } from "../../contract/api.ts";
import { api, keys, queryClient } from "../api.ts";
import { Checklist, ErrorBlock, PageHead } from "../components/blocks.tsx";
import { bytes, visible } from "../components/format.ts";
import { compareFile, fileToTry } from "../project/compare-file.ts";

const POLL_MS = 1_000;
const isOver = (one: Operation | undefined) =>
  one !== undefined && one.state !== "pending" && one.state !== "running";

export default function FirstSteps(): ReactNode {
  const hosts = useQuery({ queryKey: keys.hosts, queryFn: api.hosts.list, refetchInterval: 5_000 });
  const projects = useQuery({ queryKey: keys.projects, queryFn: api.projects.list });
  const host = hosts.data?.find((one) => one.state === "ready" || one.state === "degraded");
  const mine = projects.data?.filter((one) => one.role === "owner") ?? [];
  const project = mine.find((one) => one.state === "running") ?? mine[0];
  const running = project?.state === "running";
  const id = project?.project_id ?? "";
  const [watched, watch] = useState<string>();
  const operation = useQuery({
    queryKey: [...keys.operations, watched],
    queryFn: () => api.operations.get(watched ?? ""),
    enabled: watched !== undefined,
    refetchInterval: (query) => (isOver(query.state.data) ? false : POLL_MS),
  });
  const over = isOver(operation.data);
  useEffect(() => {
    if (over) void queryClient.invalidateQueries({ queryKey: keys.projects });
  }, [over]);
  const backups = useQuery({
    queryKey: [...keys.projects, id, "backups"],
    queryFn: () => api.backups.list(id),
    enabled: project !== undefined,
  });
  const proven = backups.data?.backups.find((one) => one.state === "proven");

  const begin = useMutation({
    mutationFn: async () => {
      const made = project ?? (await api.projects.create({ name: "First project" }));
      return await api.projects.start(made.project_id);
    },
    async onSuccess() {
      await queryClient.invalidateQueries({ queryKey: keys.projects });
    },
  });
  const back = useMutation({
    mutationFn: () => api.backups.run(id),
    onSuccess: (started) => watch(started.operation_id),
  });
  const compare = useMutation({
    mutationFn: async () => {
      const backup = proven?.backup_id ?? "";
      const entry = fileToTry(await api.backups.files(id, backup));
      return entry ? await compareFile(id, backup, entry) : undefined;
    },
  });
  const compared = compare.data;
  const state = (done: boolean, pending = false): Step["state"] =>
    done ? "done" : pending ? "running" : "pending";
  const steps: Step[] = [
    {
      name: "host",
      label: "A machine is ready",
      state: state(host !== undefined, hosts.isSuccess),
      ...(host ? { detail: visible(host.name) } : {}),
    },
    {
      name: "project",
      label: "A project runs on it",
      state: state(running, begin.isPending),
      ...(project ? { detail: visible(project.name) } : {}),
    },
    {
      name: "backup",
      label: "Its first backup is proven",
      state: state(proven !== undefined, watched !== undefined && !over),
      ...(proven ? { detail: `${proven.files} files, ${proven.dirs} folders, as many read` } : {}),
    },
    {
      name: "compared",
      label: "A file came back out of it, the same byte for byte",
      state: compared?.same === false ? "failed" : state(compared?.same === true, compare.isPending),
      ...(compared ? { detail: `${visible(compared.path)}, ${bytes(compared.bytes)}` } : {}),
    },
  ];
  return (
    <>
      <PageHead title="First steps" note="From an empty hub to a project that cannot be lost." />
      <div className="body stack">
        <Checklist steps={steps} />
        <ErrorBlock error={begin.error ?? back.error ?? compare.error} />
        {operation.data && !over ? <Checklist steps={operation.data.steps} /> : null}
        {operation.data?.problem ? <ErrorBlock error={operation.data.problem} /> : null}
        <div className="row" style={{ flexWrap: "wrap" }}>
          {host === undefined ? (
            <Button component={Link} href="/hosts">
              Add a machine
            </Button>
          ) : !running ? (
            <Button onClick={() => begin.mutate()} loading={begin.isPending}>
              {project ? `Start ${visible(project.name)}` : "Make a first project"}
            </Button>
          ) : proven === undefined ? (
            <Button
              onClick={() => back.mutate()}
              loading={back.isPending || (watched !== undefined && !over)}
            >
              Back it up
            </Button>
          ) : (
            <Button
              onClick={() => compare.mutate()}
              loading={compare.isPending}
              variant={compared?.same ? "default" : "filled"}
            >
              {compared?.same ? "Compare again" : "Bring a file back and compare it"}
            </Button>
          )}
          {running ? (
            <Button variant="default" component={Link} href={`/projects/${id}`}>
              {/* One child: a button's label is a flex box, which takes the space away. */}
              <span>
                Open <bdi>{visible(project?.name ?? "")}</bdi>
              </span>
            </Button>
          ) : null}
        </div>
        {compare.isSuccess && compared === undefined ? (
          <p className="dim">Its home has no file yet: open it, make one, and back it up again.</p>
        ) : null}
        {compared?.same === false ? (
          <p>It differs: was it changed since the backup? Back it up again and compare then.</p>
        ) : null}
        {proven ? (
          <p className="dim">
            What opens the backups when this hub is lost is the{" "}
            <a href="/api/backups/recovery-sheet" target="_blank" rel="noopener">
              recovery sheet
            </a>
            : print it, and keep it elsewhere.
          </p>
        ) : null}
      </div>
    </>
  );
}
