/** Files between this computer and the project. */
import type { ConatClient } from "../../conat/client.ts";
import { readFile, writeFile } from "../../contract/project-client.ts";
import { CodedError } from "../../core/errors.ts";

/** A transfer is held in the browser's memory as a whole. */
export const MAX_TRANSFER_BYTES = 500 * 1024 * 1024;

export async function download(client: ConatClient, projectId: string, path: string): Promise<void> {
  const { bytes, file } = await readFile(client, projectId, path, MAX_TRANSFER_BYTES);
  const url = URL.createObjectURL(new Blob([bytes as Uint8Array<ArrayBuffer>]));
  const link = document.createElement("a");
  link.href = url;
  link.download = file.name.split("/").pop() ?? "file";
  link.click();
  // The browser reads it after this turn.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Never over what is there: `file.changed` then. `done` tells how many of them have arrived. */
export async function upload(
  client: ConatClient,
  projectId: string,
  folder: string,
  files: File[],
  done: (count: number) => void,
): Promise<void> {
  for (const [index, file] of files.entries()) {
    if (file.size > MAX_TRANSFER_BYTES) {
      throw new CodedError({
        code: "file.too-large",
        title: `${file.name} is larger than the browser can send`,
        why: "At most 500 MiB go through the browser: a file is held in its memory as a whole.",
        fix: "Fetch it from a terminal in the project, with curl or rsync.",
      });
    }
    const path = folder === "." ? file.name : `${folder}/${file.name}`;
    try {
      await writeFile(client, projectId, path, new Uint8Array(await file.arrayBuffer()), { etag: null });
    } catch (error) {
      if (!(error instanceof CodedError && error.code === "file.changed")) throw error;
      throw new CodedError(
        {
          code: "file.exists",
          title: `There is a ${file.name} already`,
          why: "Nothing was written over it.",
          fix: "Rename or delete the one that is there, then upload again.",
          status: 409,
        },
        { cause: error },
      );
    }
    done(index + 1);
  }
}
