/** A key that is not the agreed one: both fingerprints, what it may mean, and the way out. */
import { Button } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { ChangedKey, Host } from "../../contract/api.ts";
import { api, keys, queryClient } from "../api.ts";
import { CopyButton, ErrorBlock } from "../components/blocks.tsx";
import { askYesNo } from "../components/dialogs.tsx";
import { ago, visible } from "../components/format.ts";

export function ChangedKeySection({ host, changed }: { host: Host; changed: ChangedKey }): ReactNode {
  const name = visible(host.name);
  const ofHost = changed.side === "host";
  const shown = changed.shown ?? "";
  const accept = useMutation({
    mutationFn: () => api.hosts.acceptKey(host.host_id, shown),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: keys.hosts }),
  });
  const ask = async () => {
    const yes = await askYesNo({
      title: ofHost ? `Is this really ${name}?` : `Shall ${name} trust the hub's new key?`,
      text: ofHost
        ? `Run cocalc-project-host status on that machine: it must print ${shown}, character by character. Whoever holds this key becomes ${name}: its projects are given to that machine, and the old key is worth nothing from then on.`
        : "It is the key that this hub's SSH server has now. The machine keeps it and connects again.",
      action: ofHost ? "It is: accept the new key" : "Trust the new key",
      danger: ofHost,
    });
    if (yes) accept.mutate();
  };
  return (
    <section aria-label="Changed key">
      <h3>{ofHost ? "Its key has changed" : "The hub's key has changed"}</h3>
      <dl className="facts">
        <Fingerprint
          label={ofHost ? "Joined with" : "It knows the hub by"}
          value={changed.known}
          hint="what was agreed on"
        />
        <Fingerprint
          label={ofHost ? "Shows now" : "It met"}
          value={changed.shown}
          hint={`${changed.from ? `at ${changed.from}, ` : ""}${ago(changed.at)}`}
        />
      </dl>
      <ErrorBlock error={accept.error} />
      {changed.acceptable ? (
        <Button onClick={() => void ask()} loading={accept.isPending} mt={12}>
          {ofHost ? "Compare and accept …" : "Trust the new key …"}
        </Button>
      ) : (
        <p className="warn-text">
          That is not this hub's key, so there is nothing to accept: another machine has that address, or
          somebody is in between.
        </p>
      )}
    </section>
  );
}

function Fingerprint({
  label,
  value,
  hint,
}: {
  label: string;
  value: string | null;
  hint: string;
}): ReactNode {
  return (
    <>
      <dt>{label}</dt>
      <dd>
        <span className="mono breaks">{value ?? "a key that could not be read"}</span>{" "}
        {value ? <CopyButton text={value} /> : null}
        <div className="dim">{hint}</div>
      </dd>
    </>
  );
}
