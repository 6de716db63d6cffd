/** What was deleted, and the ways back and onward. */
import { Button, Checkbox, Modal } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import type { ConatClient } from "../../conat/client.ts";
import { callProject } from "../../contract/project-client.ts";
import { queryClient } from "../api.ts";
import { ErrorBlock } from "../components/blocks.tsx";
import { askYesNo } from "../components/dialogs.tsx";
import { ago, bytes, plural, visible } from "../components/format.ts";

export function TrashDialog({
  client,
  projectId,
  home,
  restore,
  close,
}: {
  client: ConatClient;
  projectId: string;
  /** Absolute: what was in it is shown relative to it. */
  home: string;
  restore: (ids: string[]) => Promise<void>;
  close: () => void;
}): ReactNode {
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const [error, setError] = useState<unknown>();
  const queryKey = ["trash", projectId];
  const list = useQuery({
    queryKey,
    queryFn: () => callProject(client, projectId, "files.trash.list", {}),
    staleTime: 0,
  });
  const entries = list.data?.entries ?? [];
  const attempt = async (what: () => Promise<unknown>) => {
    try {
      await what();
      setError(undefined);
      setChosen(new Set());
    } catch (failed) {
      setError(failed);
    }
    await queryClient.invalidateQueries({ queryKey });
  };
  const empty = async (ids: string[] | undefined) => {
    const count = ids?.length ?? list.data?.total ?? 0;
    const yes = await askYesNo({
      title: `Delete ${plural(count, "item")} for good?`,
      text: "It cannot be undone from here.",
      action: "Delete for good",
      danger: true,
    });
    if (yes)
      await attempt(() => callProject(client, projectId, "files.trash.empty", ids ? { trash_ids: ids } : {}));
  };
  const ids = [...chosen];
  return (
    <Modal opened onClose={close} title="Trash" size="lg" closeButtonProps={{ "aria-label": "Close" }}>
      <div className="stack">
        {error || list.error ? <ErrorBlock error={error ?? list.error} /> : null}
        {list.data && entries.length === 0 ? (
          <p className="dim" style={{ margin: 0 }}>
            Nothing is in the trash. Deleted files wait here until it is emptied; they count against the disk
            limit.
          </p>
        ) : null}
        <ul className="trash">
          {entries.map((one) => (
            <li key={one.trash_id}>
              <Checkbox
                checked={chosen.has(one.trash_id)}
                onChange={(event) => {
                  const next = new Set(chosen);
                  if (event.currentTarget.checked) next.add(one.trash_id);
                  else next.delete(one.trash_id);
                  setChosen(next);
                }}
                label={
                  <bdi>
                    {visible(one.path.startsWith(`${home}/`) ? one.path.slice(home.length + 1) : one.path)}
                  </bdi>
                }
              />
              <span className="dim">
                {one.folder ? "folder" : bytes(one.size)}, {ago(new Date(one.deleted_at).toISOString())}
              </span>
            </li>
          ))}
        </ul>
        <div className="row" style={{ justifyContent: "flex-end" }}>
          {list.data && list.data.total > entries.length ? (
            <span className="dim">{list.data.total - entries.length} more are not shown</span>
          ) : null}
          <Button
            variant="subtle"
            color="red"
            disabled={entries.length === 0}
            onClick={() => void empty(undefined)}
          >
            Empty the trash
          </Button>
          <Button variant="default" disabled={ids.length === 0} onClick={() => void empty(ids)}>
            Delete for good
          </Button>
          <Button disabled={ids.length === 0} onClick={() => void attempt(() => restore(ids))}>
            Put back
          </Button>
        </div>
      </div>
    </Modal>
  );
}
