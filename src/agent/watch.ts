/** Tells a stream that a folder's entries (or a file) changed. */
import { type FSWatcher, watch } from "node:fs";
import type { ConatStream } from "../conat/stream.ts";
import { sysPath } from "../contract/path-bytes.ts";
import { projectStreams } from "../contract/project-services.ts";
import { fileError } from "./file-error.ts";
import { resolvePath } from "./paths.ts";

/** At most one message in this time: a build writes thousands of files. */
const GATHER_MS = 200;
const MAX_NAMES = 100;

export function watchPath(stream: ConatStream, raw: unknown, home: string): void {
  const { path: asked } = projectStreams["files.watch"].params.parse(raw);
  const path = resolvePath(home, asked);
  const names = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let watcher: FSWatcher;
  const changed = (name: string | null) => {
    if (name !== null && names.size < MAX_NAMES) names.add(name);
    timer ??= setTimeout(() => {
      timer = undefined;
      stream.sendMessage({ type: "changed", names: [...names] });
      names.clear();
    }, GATHER_MS);
  };
  try {
    watcher = watch(sysPath(path), { persistent: false }, (_, name) => changed(name));
  } catch (error) {
    throw fileError(error, path);
  }
  watcher.on("error", (error) => stream.reset(fileError(error, path)));
  stream.onData(() => {});
  stream.onEnd(() => stream.end());
  stream.onClose(() => {
    clearTimeout(timer);
    watcher.close();
  });
}
