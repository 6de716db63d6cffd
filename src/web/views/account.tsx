import { Button, PasswordInput, TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import type { Me } from "../../contract/api.ts";
import { api, keys, queryClient } from "../api.ts";
import { CommandBlock, ErrorBlock, PageHead } from "../components/blocks.tsx";
import { ago } from "../components/format.ts";
import { KeyList } from "../components/ssh-keys.tsx";

export default function AccountView({ me }: { me: Me }): ReactNode {
  const signOut = useMutation({ mutationFn: api.signOut, onSuccess: () => location.assign("/sign-in") });
  // One person without a password: what is left is a name and keys for scripts.
  const plus = me.hub.product === "plus";
  return (
    <>
      <PageHead title="Account" note={plus ? undefined : me.email}>
        {plus ? null : (
          <Button variant="default" onClick={() => signOut.mutate()} loading={signOut.isPending}>
            Sign out
          </Button>
        )}
      </PageHead>
      <div className="body stack" style={{ maxWidth: 560, gap: 24 }}>
        <ErrorBlock error={signOut.error} />
        <Name me={me} />
        {plus ? null : <Password />}
        {plus ? null : <SshKeys />}
        <ApiKeys />
      </div>
    </>
  );
}

function SshKeys(): ReactNode {
  const list = useQuery({ queryKey: [...keys.ssh, "own"], queryFn: api.ssh.keys });
  if (list.error) return <ErrorBlock error={list.error} />;
  if (list.data === undefined) return null;
  return (
    <KeyList
      title="SSH keys"
      note="Each is accepted in all your projects; a project's page “Connect over SSH” has the exact commands."
      keys={list.data}
      add={(key, name) => api.ssh.addKey({ key, name })}
      remove={api.ssh.removeKey}
    />
  );
}

function Name({ me }: { me: Me }): ReactNode {
  const [name, setName] = useState(me.name);
  const save = useMutation({
    mutationFn: () => api.me.rename(name),
    onSuccess: (now) => queryClient.setQueryData(keys.me, now),
  });
  return (
    <form
      className="row"
      style={{ alignItems: "flex-end" }}
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        save.mutate();
      }}
    >
      <TextInput
        style={{ flex: 1 }}
        label="Name"
        required
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
      />
      <Button type="submit" variant="default" disabled={name === me.name} loading={save.isPending}>
        Save
      </Button>
    </form>
  );
}

function Password(): ReactNode {
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const change = useMutation({
    mutationFn: () => api.changePassword(current, next),
    onSuccess() {
      setCurrent("");
      setNext("");
      notifications.show({ message: "The password is changed; other sessions ended." });
    },
  });
  return (
    <form
      className="stack"
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        change.mutate();
      }}
    >
      <h2>Password</h2>
      <ErrorBlock error={change.error} />
      <PasswordInput
        label="Current password"
        autoComplete="current-password"
        required
        value={current}
        onChange={(event) => setCurrent(event.currentTarget.value)}
      />
      <PasswordInput
        label="New password"
        description="At least 10 characters"
        autoComplete="new-password"
        required
        value={next}
        onChange={(event) => setNext(event.currentTarget.value)}
      />
      <div>
        <Button type="submit" variant="default" loading={change.isPending}>
          Change the password
        </Button>
      </div>
    </form>
  );
}

function ApiKeys(): ReactNode {
  const list = useQuery({ queryKey: keys.apiKeys, queryFn: api.me.keys });
  const [name, setName] = useState("");
  const again = () => queryClient.invalidateQueries({ queryKey: keys.apiKeys });
  const create = useMutation({ mutationFn: () => api.me.createKey(name), onSuccess: again });
  const remove = useMutation({ mutationFn: api.me.deleteKey, onSuccess: again });
  return (
    <section className="stack" aria-label="API keys">
      <h2>API keys</h2>
      <p className="dim" style={{ margin: 0 }}>
        For scripts and the command line: COCALC_URL and COCALC_API_KEY. A key may do what you may.
      </p>
      <ErrorBlock error={list.error ?? create.error ?? remove.error} />
      {create.data ? <CommandBlock where="Shown this once" command={create.data.key} /> : null}
      <form
        className="row"
        style={{ alignItems: "flex-end" }}
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          create.mutate();
        }}
      >
        <TextInput
          style={{ flex: 1 }}
          label="Name of a new key"
          required
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <Button type="submit" variant="default" loading={create.isPending}>
          Make a key
        </Button>
      </form>
      {(list.data ?? []).map((key) => (
        <div key={key.id} className="row">
          <span style={{ flex: 1 }}>
            {key.name} <span className="mono dim">{key.start}…</span>
          </span>
          <span className="dim">used {ago(key.last_used_at)}</span>
          <Button
            variant="subtle"
            color="red"
            size="xs"
            aria-label={`Delete the key ${key.name}`}
            onClick={() => remove.mutate(key.id)}
          >
            Delete
          </Button>
        </div>
      ))}
    </section>
  );
}
