/** Follows what programs change in a project's folder. */
import type { Caller } from "../../conat/caller.ts";
import { openProject } from "../../contract/project-client.ts";

/** After a watch broke off: a lost connection is not asked in a circle. */
const RETRY_MS = 2_000;

/**
 * Calls `changed` after each change, with the names that did where they are known, and after each gap in which one
 * may have been missed. Returns what ends it.
 */
export function watchPath(
  client: Caller,
  projectId: string,
  path: string,
  changed: (names?: string[]) => void,
): () => void {
  let live = true;
  let end = () => {};
  const follow = async () => {
    for (let round = 0; live; round++) {
      try {
        const { stream, onMessage } = await openProject(client, projectId, "files.watch", { path });
        end = () => stream.end();
        if (!live) stream.end();
        else if (round > 0) changed();
        onMessage(({ names }) => changed(names));
        await new Promise<void>((resolve) => stream.onClose(() => resolve()));
      } catch {
        // The path is gone or the host is away; whoever shows it says so. Asked again below.
      }
      if (live) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  };
  void follow();
  return () => {
    live = false;
    end();
  };
}
