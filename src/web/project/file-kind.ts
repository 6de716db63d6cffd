/** How a file is shown: by the ending of its name. */
import { extensionOf } from "../../contract/files-http.ts";

export type ViewKind = "image" | "pdf" | "html" | "media" | "markdown" | "notebook" | "table";

const BY_ENDING: Record<string, ViewKind> = {
  ...Object.fromEntries(
    ["png", "jpg", "jpeg", "gif", "webp", "avif", "bmp", "ico", "svg"].map((one) => [one, "image" as const]),
  ),
  ...Object.fromEntries(["mp3", "ogg", "wav", "mp4", "webm"].map((one) => [one, "media" as const])),
  pdf: "pdf",
  html: "html",
  htm: "html",
  md: "markdown",
  markdown: "markdown",
  ipynb: "notebook",
  csv: "table",
  tsv: "table",
};

/** Undefined: text, in the editor. */
export function viewKind(path: string): ViewKind | undefined {
  const ending = extensionOf(path);
  return Object.hasOwn(BY_ENDING, ending) ? BY_ENDING[ending] : undefined;
}

/** Whether there is text to be edited behind the view. */
export function isText(kind: ViewKind, path: string): boolean {
  if (kind === "image") return extensionOf(path) === "svg";
  return kind !== "pdf" && kind !== "media";
}
