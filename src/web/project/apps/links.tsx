/** Links by which anyone may use one app of the project for a while. */
import { Button, Modal, Select } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import type { AppLink } from "../../../contract/api-apps.ts";
import { api } from "../../api.ts";
import { CommandBlock, ErrorBlock } from "../../components/blocks.tsx";
import { ago, plural, visible } from "../../components/format.ts";

const HOURS = [
  { value: "1", label: "1 hour" },
  { value: "24", label: "1 day" },
  { value: "168", label: "7 days" },
  { value: "720", label: "30 days" },
];
const onLoopback = () => location.protocol === "http:";

export function MakeLink({
  projectId,
  path,
  title,
  close,
}: {
  projectId: string;
  path: string;
  title: string;
  close: () => void;
}): ReactNode {
  const queries = useQueryClient();
  const [hours, setHours] = useState("24");
  const make = useMutation({
    mutationFn: () => api.apps.createLink(projectId, { path, hours: Number(hours) }),
    onSuccess: () => queries.invalidateQueries({ queryKey: ["links", projectId] }),
  });
  return (
    <Modal opened onClose={close} title={`Link to ${title}`} closeButtonProps={{ "aria-label": "Close" }}>
      <div className="stack">
        <p className="dim" style={{ margin: 0 }}>
          Anyone who has the link can use this app as you can, without an account: run code with it, if it
          runs code. Nothing else of the project.
        </p>
        {make.data ? (
          <>
            <CommandBlock where="The link; it is shown this once" command={make.data.url} autoFocus />
            {onLoopback() ? (
              <CommandBlock where="On the hub's own machine" command={make.data.loopback_url} />
            ) : null}
          </>
        ) : (
          <>
            <Select
              label="It works for"
              data={HOURS}
              allowDeselect={false}
              value={hours}
              onChange={(value) => setHours(value ?? hours)}
            />
            <ErrorBlock error={make.error} />
            <div className="row" style={{ justifyContent: "flex-end" }}>
              <Button variant="subtle" color="gray" onClick={close}>
                Cancel
              </Button>
              <Button onClick={() => make.mutate()} loading={make.isPending}>
                Make the link
              </Button>
            </div>
          </>
        )}
      </div>
    </Modal>
  );
}

export function LinkList({ projectId }: { projectId: string }): ReactNode {
  const queries = useQueryClient();
  const links = useQuery({ queryKey: ["links", projectId], queryFn: () => api.apps.links(projectId) });
  const revoke = useMutation({
    mutationFn: (link: AppLink) => api.apps.revokeLink(projectId, link.link_id),
    onSettled: () => queries.invalidateQueries({ queryKey: ["links", projectId] }),
  });
  if (links.data?.length === 0) return null;
  return (
    <section aria-label="Links">
      <h2 className="section-head">Open to anyone with the link</h2>
      <ErrorBlock error={links.error ?? revoke.error} />
      <table className="list">
        <thead>
          <tr>
            <th>What</th>
            <th>Made</th>
            <th>Ends</th>
            <th aria-label="Action" />
          </tr>
        </thead>
        <tbody>
          {(links.data ?? []).map((link) => (
            <tr key={link.link_id}>
              <td>
                <span className="mono">{link.path}</span>
                <div className="sub">
                  {plural(link.visits, "visitor")}
                  {link.last_used_at ? `, the last ${ago(link.last_used_at)}` : ""}
                </div>
              </td>
              <td>
                {ago(link.created_at)} by <bdi>{visible(link.created_by.name)}</bdi>
              </td>
              <td>{new Date(link.expires_at).toLocaleString()}</td>
              <td>
                <Button variant="default" size="xs" onClick={() => revoke.mutate(link)}>
                  Take back
                </Button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
