/** A list of SSH keys, each with what removes it, and a place to paste another. */
import { Button, Textarea, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import type { SshKey } from "../../contract/api-ssh.ts";
import { keys, queryClient } from "../api.ts";
import { ErrorBlock } from "./blocks.tsx";
import { ago, visible } from "./format.ts";

export function KeyList({
  title,
  note,
  keys: list,
  add,
  remove,
}: {
  title: string;
  note: string;
  keys: readonly SshKey[];
  add: (key: string, name: string) => Promise<unknown>;
  remove: (keyId: string) => Promise<unknown>;
}): ReactNode {
  const [open, setOpen] = useState(false);
  const [key, setKey] = useState("");
  const [name, setName] = useState("");
  const again = () => queryClient.invalidateQueries({ queryKey: keys.ssh });
  const adding = useMutation({
    mutationFn: () => add(key, name),
    async onSuccess() {
      setKey("");
      setName("");
      setOpen(false);
      await again();
    },
  });
  const removing = useMutation({ mutationFn: remove, onSuccess: again });
  const pasting = open || list.length === 0;
  return (
    <section className="stack" aria-label={title}>
      <h2>{title}</h2>
      <p className="dim" style={{ margin: 0 }}>
        {note}
      </p>
      {list.map((one) => (
        <div key={one.key_id} className="row">
          <span style={{ flex: 1, minWidth: 0 }}>
            <bdi>{visible(one.name)}</bdi> <span className="dim">{one.type.replace(/^ssh-/, "")}</span>
            <br />
            <span className="mono dim" style={{ overflowWrap: "anywhere" }}>
              {one.fingerprint}
            </span>
          </span>
          <span className="dim">
            {one.last_used_at === null ? "never used" : `used ${ago(one.last_used_at)}`}
          </span>
          <Button
            variant="subtle"
            color="red"
            size="xs"
            aria-label={`Remove the key ${visible(one.name)}`}
            loading={removing.isPending && removing.variables === one.key_id}
            onClick={() => removing.mutate(one.key_id)}
          >
            Remove
          </Button>
        </div>
      ))}
      <ErrorBlock error={adding.error ?? removing.error} />
      {pasting ? (
        <form
          className="stack"
          onSubmit={(event: FormEvent) => {
            event.preventDefault();
            adding.mutate();
          }}
        >
          <Textarea
            label="Public key"
            description="The line of a .pub file: cat ~/.ssh/id_ed25519.pub. Without one: ssh-keygen -t ed25519"
            placeholder="ssh-ed25519 AAAA…"
            autosize
            minRows={2}
            required
            value={key}
            onChange={(event) => setKey(event.currentTarget.value)}
          />
          <div className="row" style={{ alignItems: "flex-end" }}>
            <TextInput
              style={{ flex: 1 }}
              label="Name"
              description="Its own comment, when left empty"
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
            />
            <Button type="submit" variant="default" loading={adding.isPending}>
              Add the key
            </Button>
          </div>
        </form>
      ) : (
        <div>
          <Button variant="default" size="xs" onClick={() => setOpen(true)}>
            Add a key
          </Button>
        </div>
      )}
    </section>
  );
}
