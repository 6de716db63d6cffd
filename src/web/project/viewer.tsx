/** A project as its viewers see it: what the owner marked, to read. */
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useMemo, useState } from "react";
import type { Project } from "../../contract/api.ts";
import { callProject } from "../../contract/project-client.ts";
import { asViewer } from "../../contract/project-services/shared.ts";
import type { FileInfo } from "../../contract/project-services.ts";
import { api, keys } from "../api.ts";
import { ErrorBlock } from "../components/blocks.tsx";
import { visible } from "../components/format.ts";
import { Icon } from "../components/icons.tsx";
import type { HostConnection } from "../sockets/host-sockets.ts";
import { FilePane } from "./file-pane.tsx";

const isFolder = (file: FileInfo) => file.type === "directory" || file.target_type === "directory";
const join = (folder: string, name: string) => (folder === "." ? name : `${folder}/${name}`);
const parent = (path: string) => (path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : ".");

export default function Viewer({ project, host }: { project: Project; host: HostConnection }): ReactNode {
  const id = project.project_id;
  const caller = useMemo(() => asViewer(host.client), [host]);
  const [folder, setFolder] = useState(".");
  const [file, setFile] = useState<string>();
  const shares = useQuery({
    queryKey: [...keys.peopleOf(id), "shares"],
    queryFn: () => api.people.shares(id),
  });
  // Roots outside the home folder are entered by their own name.
  const outside = (shares.data?.paths ?? []).filter((path) => path.startsWith("/"));
  const list = useQuery({
    queryKey: ["view", id, folder],
    queryFn: () => callProject(caller, id, "files.list", { path: folder, limit: 1000 }),
    refetchInterval: 10_000,
  });
  const entries = [...(list.data?.entries ?? [])].sort((a, b) => Number(isFolder(b)) - Number(isFolder(a)));
  return (
    <div className="viewer">
      <nav aria-label="Files">
        {folder === "." ? null : (
          <button type="button" onClick={() => setFolder(outside.includes(folder) ? "." : parent(folder))}>
            <Icon name="folder" /> ..
          </button>
        )}
        {entries.map((entry) => {
          const path = join(folder, entry.name);
          return (
            <button
              key={entry.name}
              type="button"
              aria-current={path === file || undefined}
              onClick={() => (isFolder(entry) ? setFolder(path) : setFile(path))}
            >
              <Icon name={isFolder(entry) ? "folder" : "file"} /> <bdi>{visible(entry.name)}</bdi>
            </button>
          );
        })}
        {folder === "."
          ? outside.map((path) => (
              <button key={path} type="button" onClick={() => setFolder(path)}>
                <Icon name="folder" /> {path}
              </button>
            ))
          : null}
        <ErrorBlock error={list.error} />
        {list.data && entries.length === 0 && outside.length === 0 ? (
          <p className="dim">The owner has marked no files for viewers.</p>
        ) : null}
        {(shares.data?.ports ?? []).map((port) => (
          <a key={port} className="nav" href={`/${id}/proxy/${port}/`} target="_blank" rel="noopener">
            <Icon name="open" /> Web server on port {port}
          </a>
        ))}
        {(shares.data?.apps ?? []).map((app) => (
          <a key={app} className="nav" href={`/${id}/apps/${app}/`} target="_blank" rel="noopener">
            <Icon name="open" /> {app}
          </a>
        ))}
      </nav>
      <div className="shown">
        {file === undefined ? (
          <p className="dim">You are a viewer of this project: choose a file to read.</p>
        ) : (
          <FilePane key={file} client={caller} projectId={id} path={file} watching active />
        )}
      </div>
    </div>
  );
}
