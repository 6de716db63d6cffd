/** Projects that a machine brought along: each is adopted here; wiping one is a command, with its name typed. */
import { Button } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { Host } from "../../contract/api.ts";
import type { Found } from "../../contract/api-found.ts";
import { api, keys, queryClient } from "../api.ts";
import { ErrorBlock } from "../components/blocks.tsx";
import { plural, visible } from "../components/format.ts";

const WORDS = {
  unknown: "this hub never heard of it",
  homeless: "this hub’s, from a host that is gone",
  elsewhere: "an old copy: it lives elsewhere",
};

export function HostFound({ host }: { host: Host }): ReactNode {
  const found = useQuery({
    queryKey: ["found", host.host_id],
    queryFn: () => api.found.list(host.host_id),
    // A host that is away has nothing to tell.
    enabled: host.state === "ready" || host.state === "degraded",
    retry: false,
  });
  const projects = found.data?.projects ?? [];
  if (projects.length === 0) return null;
  return (
    <section aria-label="Found on its disk">
      <h3>Found on its disk</h3>
      <p className="dim" style={{ margin: 0 }}>
        {plural(projects.length, "project")} of an earlier stay. Nothing happens to them by itself; who wipes
        one uses the command line and types its name.
      </p>
      {projects.map((project) => (
        <FoundProject key={project.project_id} host={host} project={project} />
      ))}
    </section>
  );
}

function FoundProject({ host, project }: { host: Host; project: Found["projects"][number] }): ReactNode {
  const adopt = useMutation({
    mutationFn: () => api.found.adopt(host.host_id, project.project_id),
    async onSuccess() {
      await queryClient.invalidateQueries({ queryKey: ["found", host.host_id] });
      await queryClient.invalidateQueries({ queryKey: keys.projects });
    },
  });
  const name = visible(project.name);
  return (
    <>
      <div className="row">
        <span style={{ flex: 1 }}>
          <bdi>{name}</bdi> <span className="dim">{WORDS[project.state]}</span>
        </span>
        {project.state === "elsewhere" ? null : (
          <Button size="xs" variant="default" loading={adopt.isPending} onClick={() => adopt.mutate()}>
            Adopt {name}
          </Button>
        )}
      </div>
      <ErrorBlock error={adopt.error} />
    </>
  );
}
