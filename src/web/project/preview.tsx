/**
 * Files as people look at them. Whatever of a file is HTML is in a frame without an origin of ours: by the answer itself
 * (html, svg opened alone, pdf), or by the frame (documents that are made into HTML here).
 */
import { Button, useComputedColorScheme } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useMemo, useState } from "react";
import type { Caller } from "../../conat/caller.ts";
import { extensionOf, filesUrl, previewType } from "../../contract/files-http.ts";
import { toBase64 } from "../../contract/path-bytes.ts";
import { callProject, readFile, readTextFile } from "../../contract/project-client.ts";
import { CodedError } from "../../core/errors.ts";
import { queryClient } from "../api.ts";
import { ErrorBlock } from "../components/blocks.tsx";
import { bytes, visible } from "../components/format.ts";
import { CsvTable } from "./csv-table.tsx";
import { DownloadInstead } from "./download-instead.tsx";
import type { ViewKind } from "./file-kind.ts";
import { frameDocument, localImages, renderMarkdown, renderNotebook, withImages } from "./preview-html.ts";
import { baseName, joinPath, parentOf } from "./tree-model.ts";
import { watchPath } from "./watch.ts";

interface Props {
  client: Caller;
  projectId: string;
  path: string;
  kind: ViewKind;
}

/** Pictures of a document that are fetched for it: a frame without an origin has no right to. */
const MAX_IMAGES = 40;
const MAX_IMAGE_BYTES = 3 * 1024 * 1024;
const LOOK_EVERY_MS = 10_000;

/** Loads anew when the file changes on disk. */
function useFollowed(client: Caller, projectId: string, path: string): void {
  useEffect(
    () =>
      watchPath(client, projectId, parentOf(path), (names) => {
        if (names === undefined || names.includes(baseName(path)))
          void queryClient.invalidateQueries({ queryKey: ["preview", projectId, path] });
      }),
    [client, projectId, path],
  );
}

export default function PreviewPane(props: Props): ReactNode {
  const { client, projectId, path, kind } = props;
  useFollowed(client, projectId, path);
  const stat = useQuery({
    queryKey: ["preview", projectId, path, "stat"],
    queryFn: async () => {
      const file = await callProject(client, projectId, "files.stat", { path });
      if (file.type !== "directory" && file.target_type !== "directory") return file;
      throw new CodedError({
        code: "file.is-a-folder",
        title: `${visible(baseName(path))} is a folder now`,
        why: "Somebody, or a program, put it in the place of the file.",
      });
    },
    // A folder above it that gets another name is no change in the folder that is watched.
    refetchInterval: LOOK_EVERY_MS,
  });
  const [scripts, setScripts] = useState(false);
  if (stat.error) {
    return (
      <div style={{ padding: 12 }}>
        <ErrorBlock error={stat.error} />
      </div>
    );
  }
  if (!stat.data) return null;
  const { etag, size } = stat.data;
  const name = visible(baseName(path));
  // The version is for the browser's cache of pictures alone.
  const url = `${filesUrl(projectId, "preview", path)}&v=${encodeURIComponent(etag)}`;
  const download = filesUrl(projectId, "download", path);
  const body = () => {
    switch (kind) {
      case "image":
        return (
          <div className="picture">
            <img src={url} alt={name} />
          </div>
        );
      case "media":
        return (
          <div className="picture">
            {/* biome-ignore lint/a11y/useMediaCaption: a person's own file has the tracks it has */}
            <video src={url} controls />
          </div>
        );
      case "pdf":
        return <iframe className="frame" title={name} src={url} />;
      case "html":
        return (
          <iframe
            key={String(scripts)}
            className="frame"
            title={name}
            src={scripts ? `${url}&scripts=1` : url}
            sandbox={scripts ? "allow-scripts" : ""}
          />
        );
      case "table":
        return <CsvTable client={client} projectId={projectId} path={path} etag={etag} size={size} />;
      default:
        return <Rendered {...props} etag={etag} />;
    }
  };
  return (
    <div className="preview fill">
      <div className="preview-body">{body()}</div>
      <div className="status">
        <span className="mono">
          <bdi>{visible(path)}</bdi>
        </span>
        <span>{bytes(size)}</span>
        <span style={{ flex: 1 }} />
        {kind === "html" ? (
          <>
            <span>
              {scripts ? "Its scripts run, without a network and without your rights" : "Its scripts are off"}
            </span>
            <Button size="xs" variant="default" onClick={() => setScripts((now) => !now)}>
              {scripts ? "Turn its scripts off" : "Run its scripts"}
            </Button>
          </>
        ) : null}
        <Button size="xs" variant="default" component="a" href={download} download>
          Download
        </Button>
      </div>
    </div>
  );
}

/** Markdown and notebooks: made into HTML here, shown in a frame that may nothing. */
function Rendered({ client, projectId, path, kind, etag }: Props & { etag: string }): ReactNode {
  const dark = useComputedColorScheme("light", { getInitialValueInEffect: false }) === "dark";
  const made = useQuery({
    queryKey: ["preview", projectId, path, etag, "html"],
    queryFn: async () => {
      const { text } = await readTextFile(client, projectId, path);
      let html: string;
      if (kind === "notebook") {
        const notebook = renderNotebook(text);
        if (!notebook) {
          throw new CodedError({
            code: "file.no-notebook",
            title: `${baseName(path)} is no notebook`,
            why: "It is not JSON with cells, as Jupyter writes it.",
            fix: "Look at it as text: Edit.",
          });
        }
        html = notebook.html;
      } else html = renderMarkdown(text);
      return await embedImages(client, projectId, parentOf(path), html);
    },
  });
  const document = useMemo(
    () => (made.data === undefined ? "" : frameDocument(made.data, dark)),
    [made.data, dark],
  );
  if (made.error) {
    return (
      <div style={{ padding: 12 }}>
        <ErrorBlock error={made.error} />
        <DownloadInstead href={filesUrl(projectId, "download", path)} text="It can be had as it is." />
      </div>
    );
  }
  if (made.data === undefined) return null;
  return (
    <iframe
      // A frame of its own for each: Chromium now and then stays with an earlier `srcdoc` that was still loading.
      key={`${etag} ${dark}`}
      className="frame"
      title={visible(baseName(path))}
      srcDoc={document}
      sandbox="allow-popups allow-popups-to-escape-sandbox"
    />
  );
}

async function embedImages(client: Caller, projectId: string, folder: string, html: string): Promise<string> {
  const data = new Map<string, string>();
  for (const src of localImages(html).slice(0, MAX_IMAGES)) {
    const path = decodeURI(src.split(/[?#]/)[0] ?? "");
    const type = previewType(path);
    if (!type?.startsWith("image/") || extensionOf(path) === "") continue;
    try {
      const where = path.startsWith("/") ? path : joinPath(folder, path);
      const image = await readFile(client, projectId, where, MAX_IMAGE_BYTES);
      data.set(src, `data:${type};base64,${toBase64(image.bytes)}`);
    } catch {
      // Its place stays empty, with the text that stands for it.
    }
  }
  return withImages(html, data);
}
