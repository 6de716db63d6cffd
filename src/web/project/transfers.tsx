/** Uploads in the foot bar: how far they are, and a list with what can be done about each. */
import { Button, Popover, Progress } from "@mantine/core";
import { type ReactNode, useEffect, useRef, useSyncExternalStore } from "react";
import { CodedError } from "../../core/errors.ts";
import { ErrorBlock } from "../components/blocks.tsx";
import { bytes, plural, visible } from "../components/format.ts";
import { Icon } from "../components/icons.tsx";
import { baseName } from "./tree-model.ts";
import {
  cancelUpload,
  clearDone,
  restoreUploads,
  resumeUpload,
  retryUpload,
  type UploadItem,
  uploads,
} from "./upload-model.ts";

const isActive = ({ state }: UploadItem) => state === "waiting" || state === "sending";

export function useUploads(projectId: string): UploadItem[] {
  const all = useSyncExternalStore(uploads.subscribe, uploads.items);
  useEffect(() => restoreUploads(projectId), [projectId]);
  return all.filter((one) => one.projectId === projectId);
}

function summary(items: UploadItem[]): string {
  const active = items.filter(isActive);
  const failed = items.filter(({ state }) => state === "failed").length;
  const stopped = items.filter(({ state }) => state === "interrupted").length;
  if (active.length > 0) {
    const of = (key: "size" | "sent") => active.reduce((sum, one) => sum + one[key], 0);
    return `Uploading ${plural(active.length, "file")}, ${bytes(of("sent"))} of ${bytes(of("size"))}`;
  }
  if (failed > 0) return `${plural(failed, "upload")} failed`;
  if (stopped > 0) return `${plural(stopped, "upload")} interrupted`;
  return `Uploaded ${plural(items.length, "file")}`;
}

export function Transfers({ projectId }: { projectId: string }): ReactNode {
  const items = useUploads(projectId);
  const busy = items.some(isActive);
  useEffect(() => {
    if (!busy) return;
    const guard = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", guard);
    return () => removeEventListener("beforeunload", guard);
  }, [busy]);
  if (items.length === 0) return null;
  const active = items.filter(isActive);
  const total = active.reduce((sum, one) => sum + one.size, 0);
  const part = total === 0 ? 0 : (100 * active.reduce((sum, one) => sum + one.sent, 0)) / total;
  const wrong = items.some(({ state }) => state === "failed");
  return (
    <Popover position="top-start" width={420} shadow="md">
      <Popover.Target>
        <button type="button" className="foot-button" data-tone={wrong ? "bad" : undefined}>
          <Icon name="upload" size={12} />
          <span role="status">{summary(items)}</span>
          {busy ? <Progress value={part} w={90} size="sm" aria-label="Uploaded so far" /> : null}
        </button>
      </Popover.Target>
      <Popover.Dropdown p={0}>
        <ul className="uploads" aria-label="Uploads">
          {items.slice(-100).map((item) => (
            <Item key={item.key} item={item} />
          ))}
        </ul>
        {items.some(({ state }) => state === "done") ? (
          <div className="uploads-end">
            <Button size="xs" variant="subtle" onClick={clearDone}>
              Clear what arrived
            </Button>
          </div>
        ) : null}
      </Popover.Dropdown>
    </Popover>
  );
}

const WORD: Record<UploadItem["state"], string> = {
  waiting: "Waiting",
  sending: "Sending",
  done: "Arrived",
  failed: "Failed",
  interrupted: "Interrupted; choose the file again to go on",
};

function Item({ item }: { item: UploadItem }): ReactNode {
  const picker = useRef<HTMLInputElement>(null);
  const name = visible(baseName(item.path));
  const taken = item.error instanceof CodedError && item.error.code === "file.exists";
  return (
    <li>
      <div className="row">
        <span className="name" title={visible(item.path)}>
          <bdi>{name}</bdi>
        </span>
        <span className="dim">
          {item.state === "done" ? bytes(item.size) : `${bytes(item.sent)} of ${bytes(item.size)}`}
        </span>
      </div>
      <div className="row">
        <span className="dim" style={{ flex: 1 }}>
          {WORD[item.state]}
        </span>
        {item.state === "interrupted" ? (
          <>
            <Button size="xs" variant="default" onClick={() => picker.current?.click()}>
              Choose it again
            </Button>
            <input
              ref={picker}
              type="file"
              hidden
              onChange={(event) => {
                const file = event.currentTarget.files?.[0];
                event.currentTarget.value = "";
                if (file) resumeUpload(item, file);
              }}
            />
          </>
        ) : null}
        {item.state === "failed" && taken ? (
          <>
            <Button size="xs" variant="default" onClick={() => retryUpload(item, "keep-both")}>
              Keep both
            </Button>
            <Button size="xs" variant="default" onClick={() => retryUpload(item, "replace")}>
              Replace
            </Button>
          </>
        ) : null}
        {item.state === "failed" && !taken ? (
          <Button size="xs" variant="default" onClick={() => retryUpload(item)}>
            Try again
          </Button>
        ) : null}
        <Button
          size="xs"
          variant="subtle"
          color="gray"
          aria-label={`${item.state === "done" ? "Clear" : "Cancel"} ${name}`}
          onClick={() => cancelUpload(item)}
        >
          {item.state === "done" ? "Clear" : "Cancel"}
        </Button>
      </div>
      {isActive(item) ? (
        <Progress
          value={item.size === 0 ? 0 : (100 * item.sent) / item.size}
          size="xs"
          aria-label={`${name}: sent so far`}
        />
      ) : null}
      {item.error ? <ErrorBlock error={item.error} /> : null}
    </li>
  );
}
