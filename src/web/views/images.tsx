/** Root file systems that projects can begin with: what each is now, what it was, and who still stands on that. */
import { Button } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { Image } from "../../contract/api-images.ts";
import { api, keys, queryClient } from "../api.ts";
import { CommandBlock, ErrorBlock, PageHead } from "../components/blocks.tsx";
import { ago, bytes, plural, visible } from "../components/format.ts";

const COMMANDS = [
  [
    "From a registry, or whatever else podman can pull",
    "sudo cocalc-hub image add NAME --oci docker://REFERENCE",
  ],
  ["From a tarball of a root file system", "sudo cocalc-hub image add NAME --tar FILE"],
  ["Made anew from where it came; projects keep what they began with", "sudo cocalc-hub image upgrade NAME"],
] as const;

/** Each host's own programs: nothing is made or handed out, so it has neither size nor date. */
function SystemRows({ image, hosts }: { image: Image; hosts: NonNullable<Image["hosts"]> }): ReactNode {
  return (
    <>
      <tr>
        <td>
          <b>{image.image}</b>
          <div className="sub">each host’s own programs, as they are there</div>
        </td>
        <td />
        <td>{plural(image.projects, "project")}</td>
        <td />
        <td />
        <td />
      </tr>
      {hosts.map((host) => (
        <tr key={host.host_id} className="dim">
          <td style={{ paddingLeft: 40 }}>
            <bdi>{visible(host.name)}</bdi>
            {host.digest ? null : (
              <div className="sub breaks">{host.problem?.title ?? "has not told what it has"}</div>
            )}
          </td>
          <td />
          <td />
          <td />
          <td>{host.digest ? short(host.digest) : null}</td>
          <td />
        </tr>
      ))}
    </>
  );
}

const short = (digest: string) => <span className="mono">{digest.slice(0, 12)}</span>;

function ImageRows({ image }: { image: Image }): ReactNode {
  const remove = useMutation({
    mutationFn: () => api.images.remove(image.image),
    onSettled: () => queryClient.invalidateQueries({ queryKey: keys.images }),
  });
  const removable = image.image !== "base" && image.projects === 0;
  return (
    <>
      <tr>
        <td>
          <b>{image.image}</b>
          <div className="sub breaks">
            {image.source === null ? "this hub's own distribution" : visible(image.source)}
          </div>
          <ErrorBlock error={remove.error} />
        </td>
        <td>{image.bytes === null ? null : bytes(image.bytes)}</td>
        <td>{plural(image.projects, "project")}</td>
        <td>{image.created_at === null ? null : ago(image.created_at)}</td>
        <td>{image.digest === null ? null : short(image.digest)}</td>
        <td>
          {removable ? (
            <Button
              size="compact-sm"
              variant="default"
              loading={remove.isPending}
              onClick={() => remove.mutate()}
              aria-label={`Remove ${image.image}`}
            >
              Remove
            </Button>
          ) : null}
        </td>
      </tr>
      {image.previous.map((old) => (
        <tr key={old.digest} className="dim">
          <td style={{ paddingLeft: 40 }}>
            before
            {old.backed_up ? <div className="sub">a backup needs it</div> : null}
          </td>
          <td>{bytes(old.bytes)}</td>
          <td>{plural(old.projects, "project")} began with it</td>
          <td>{ago(old.created_at)}</td>
          <td>{short(old.digest)}</td>
          <td />
        </tr>
      ))}
    </>
  );
}

export default function ImagesView(): ReactNode {
  const images = useQuery({ queryKey: keys.images, queryFn: api.images.list });
  const prune = useMutation({
    mutationFn: api.images.prune,
    async onSuccess({ removed, unknown }) {
      await queryClient.invalidateQueries({ queryKey: keys.images });
      const freed = removed.reduce((sum, one) => sum + one.bytes, 0);
      notifications.show({
        message:
          unknown.length > 0
            ? `Nothing was removed: it is not known yet what ${unknown.map(visible).join(", ")} began with.`
            : removed.length === 0
              ? "Nothing to remove: every version is needed."
              : `Removed ${plural(removed.length, "version")}, ${bytes(freed)}.`,
      });
    },
  });
  const all = images.data ?? [];
  return (
    <>
      <PageHead title="Images" note="Root file systems that projects begin with">
        <Button variant="default" loading={prune.isPending} onClick={() => prune.mutate()}>
          Remove unneeded versions
        </Button>
      </PageHead>
      <div className="body problems">
        <ErrorBlock error={images.data ? prune.error : images.error} />
      </div>
      <table className="list">
        <thead>
          <tr>
            <th>Image</th>
            <th>Size</th>
            <th>Used by</th>
            <th>Made</th>
            <th>Digest</th>
            <th aria-label="Actions" />
          </tr>
        </thead>
        <tbody>
          {all.map((image) =>
            image.hosts ? (
              <SystemRows key={image.image} image={image} hosts={image.hosts} />
            ) : (
              <ImageRows key={image.image} image={image} />
            ),
          )}
        </tbody>
      </table>
      <div className="body" style={{ maxWidth: 720 }}>
        <h2 style={{ padding: "16px 0 4px" }}>Another one</h2>
        <p className="dim">
          Making an image needs root on the hub's machine, so it is a command there. Hosts fetch it from the
          hub when a project first needs it.
        </p>
        <div className="stack">
          {COMMANDS.map(([what, line]) => (
            <CommandBlock key={line} where={what} command={line} prompt />
          ))}
        </div>
      </div>
    </>
  );
}
