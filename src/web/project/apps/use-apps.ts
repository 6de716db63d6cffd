/** A project's apps and what listens in it, kept live. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import type { App } from "../../../contract/apps.ts";
import { callProject } from "../../../contract/project-client.ts";
import { projectChangedSchema } from "../../../contract/project-services.ts";
import type { HostConnection } from "../../sockets/host-sockets.ts";

const REFRESH_MS = 5_000;
const PORTS_MS = 1_500;

export function useApps(host: HostConnection | undefined, projectId: string) {
  const queries = useQueryClient();
  const queryKey = ["apps", projectId];
  const apps = useQuery({
    queryKey,
    enabled: host !== undefined,
    queryFn: async () => await callProject((host as HostConnection).client, projectId, "apps.list", {}),
    refetchInterval: REFRESH_MS,
  });
  useEffect(
    () =>
      host?.client.subscribe(`project.${projectId}.changed`, (_subject, data) => {
        const parsed = projectChangedSchema.safeParse(data);
        if (parsed.success && parsed.data.kind === "apps")
          void queries.invalidateQueries({ queryKey: ["apps", projectId] });
      }),
    [host, projectId, queries],
  );
  const stop = useMutation({
    mutationFn: async (app: string) =>
      await callProject((host as HostConnection).client, projectId, "apps.stop", { app }),
    onSettled: () => queries.invalidateQueries({ queryKey }),
  });
  return { apps, stop };
}

/** Each port once, without those of managed apps. */
export function usePorts(host: HostConnection | undefined, projectId: string, apps: readonly App[]) {
  const ports = useQuery({
    queryKey: ["ports", projectId],
    enabled: host !== undefined,
    queryFn: async () => (await callProject((host as HostConnection).client, projectId, "ports", {})).ports,
    refetchInterval: PORTS_MS,
  });
  const managed = new Set(apps.map((one) => one.port));
  return [...new Map((ports.data ?? []).map((one) => [one.port, one])).values()]
    .filter((one) => !managed.has(one.port))
    .sort((a, b) => a.port - b.port);
}

/** `python3` of `/usr/bin/python3 -m http.server`. */
export function programOf(command: string): string {
  return command.split(/\s+/)[0]?.split("/").pop() ?? "";
}
