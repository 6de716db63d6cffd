/** The hub signs in to a machine itself: who and where, the key to compare, then the steps as they happen. */
import { Button, Checkbox, PasswordInput, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import type { Host, Operation } from "../../contract/api.ts";
import type { Machine } from "../../contract/api-machines.ts";
import { api, keys, queryClient } from "../api.ts";
import { Checklist, CommandBlock, ErrorBlock, ProblemBlock } from "../components/blocks.tsx";

const REFRESH_MS = 1_000;
const FILES: Record<string, string> = { "ssh-ed25519": "ed25519", "ssh-rsa": "rsa" };

export function AddOverSsh({ joined }: { joined: (host: string | undefined) => ReactNode }): ReactNode {
  const [target, setTarget] = useState("");
  const [password, setPassword] = useState("");
  const [compared, setCompared] = useState(false);
  const look = useMutation({ mutationFn: api.machines.look, onSuccess: () => setCompared(false) });
  const add = useMutation({
    mutationFn: (fingerprint: string) =>
      api.machines.add({
        target: look.data?.target ?? target,
        fingerprint,
        ...(password === "" ? {} : { password }),
      }),
    onSuccess: () => setPassword(""),
  });
  const operation = useQuery({
    queryKey: [...keys.operations, add.data?.operation_id],
    queryFn: () => api.operations.get(add.data?.operation_id ?? ""),
    enabled: add.data !== undefined,
    refetchInterval: REFRESH_MS,
  });
  const machines = useQuery({
    queryKey: keys.machines,
    queryFn: api.machines.list,
    enabled: add.data !== undefined,
    refetchInterval: REFRESH_MS,
  });
  const run = operation.data ?? add.data;
  const going = run?.state === "pending" || run?.state === "running";
  const machine = machines.data?.find((one) => one.operation_id === run?.operation_id);
  const shown = look.data;
  return (
    <div className="stack">
      <p className="dim" style={{ margin: 0 }}>
        For a machine that this hub reaches over SSH. It needs no way back: where it has none, the hub holds
        the connection open.
      </p>
      <form
        className="row"
        style={{ alignItems: "flex-end" }}
        onSubmit={(event) => {
          event.preventDefault();
          add.reset();
          look.mutate(target);
        }}
      >
        <TextInput
          style={{ flex: 1 }}
          label="Sign in as"
          placeholder="user@host or user@host:port"
          autoComplete="off"
          spellCheck={false}
          value={target}
          disabled={going}
          data-autofocus
          onChange={(event) => {
            setTarget(event.currentTarget.value);
            look.reset();
          }}
        />
        <Button
          type="submit"
          variant={shown ? "default" : "filled"}
          disabled={target.trim() === "" || going}
          loading={look.isPending}
        >
          Look at it
        </Button>
      </form>
      <ErrorBlock error={look.error} />
      {run ? (
        <section aria-label="Steps" className="joined">
          <Checklist steps={run.steps} />
          {joined(machine?.host_id ?? undefined)}
          {going ? (
            <Button variant="default" size="xs" onClick={() => void api.operations.cancel(run.operation_id)}>
              Cancel
            </Button>
          ) : null}
        </section>
      ) : null}
      {shown && !going && run?.state !== "done" ? (
        <>
          {shown.known_fingerprint ? (
            <ProblemBlock
              tone="bad"
              problem={{
                code: "machine.host-key-changed",
                title: `${shown.target} shows another key than the one that was confirmed before`,
                why: `Before: ${shown.known_fingerprint}. The machine was set up anew, another has its address, or somebody is in between.`,
                fix: "Go on only if the key below is what the machine itself prints.",
              }}
            />
          ) : null}
          <div>
            <div className="dim">It shows this key.{run ? "" : " Nothing was sent to it yet."}</div>
            <div className="mono breaks">{shown.host_key.fingerprint}</div>
          </div>
          <CommandBlock
            where="Run on that machine, to compare"
            command={`ssh-keygen -lf /etc/ssh/ssh_host_${FILES[shown.host_key.type] ?? "ecdsa"}_key.pub`}
            prompt
          />
          <CommandBlock
            where="Then let the hub in: run this there, as the user that it signs in as"
            command={`mkdir -p ~/.ssh && echo '${shown.hub_key}' >> ~/.ssh/authorized_keys && chmod -R go= ~/.ssh`}
            prompt
          />
          <PasswordInput
            label="Or its password"
            description="Used for this once, for SSH and sudo, and kept nowhere; it leaves the hub's key there."
            autoComplete="off"
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
          />
          <Checkbox
            label="The key is the one that the machine prints"
            checked={compared}
            onChange={(event) => setCompared(event.currentTarget.checked)}
          />
          <div className="row">
            <Button
              disabled={!compared}
              loading={add.isPending}
              onClick={() => add.mutate(shown.host_key.fingerprint)}
            >
              {run ? "Try again" : "Make it a host"}
            </Button>
          </div>
          <ErrorBlock error={add.error} />
        </>
      ) : null}
    </div>
  );
}

/** Below the list of hosts: machines that were signed in to and are no hosts yet, with how far they came and why no further. */
export function NotYetHosts(): ReactNode {
  const machines = useQuery({ queryKey: keys.machines, queryFn: api.machines.list });
  const operations = useQuery({ queryKey: keys.operations, queryFn: api.operations.list });
  const rows = (machines.data ?? []).flatMap((machine) => {
    const run = operations.data?.find((one) => one.operation_id === machine.operation_id);
    return machine.host_id === null && run && run.state !== "done" ? [{ machine, run }] : [];
  });
  if (rows.length === 0) return null;
  return (
    <section className="body" aria-label="Machines that are no hosts yet">
      <h2 style={{ padding: "24px 0 4px" }}>Not hosts yet</h2>
      {rows.map(({ machine, run }) => (
        <NotYet key={machine.machine_id} machine={machine} run={run} />
      ))}
    </section>
  );
}

function NotYet({ machine, run }: { machine: Machine; run: Operation }): ReactNode {
  const remove = useMutation({
    mutationFn: () => api.machines.remove(machine.machine_id),
    onSuccess: () => queryClient.invalidateQueries({ queryKey: keys.machines }),
  });
  const going = run.state === "pending" || run.state === "running";
  return (
    <details open={going}>
      <summary>
        <span className="mono">{machine.target}</span>{" "}
        <span className="dim">{going ? "joining" : (run.problem?.title ?? run.state)}</span>
      </summary>
      <Checklist steps={run.steps} />
      <ErrorBlock error={remove.error} />
      {going ? null : (
        <Button size="xs" variant="default" loading={remove.isPending} onClick={() => remove.mutate()}>
          Remove {machine.target} from this list
        </Button>
      )}
    </details>
  );
}

/** How the hub reaches it, in its drawer. */
export function MachineLink({ host }: { host: Host }): ReactNode {
  const machines = useQuery({ queryKey: keys.machines, queryFn: api.machines.list });
  const machine = machines.data?.find((one) => one.host_id === host.host_id);
  if (!machine) return null;
  return (
    <section aria-label="How the hub reaches it">
      <h3>The hub signs in to it</h3>
      <dl className="facts">
        <dt>As</dt>
        <dd className="mono breaks">{machine.target}</dd>
        <dt>Its SSH key</dt>
        <dd className="mono breaks">{machine.fingerprint}</dd>
        <dt>Its way to the hub</dt>
        <dd>
          {machine.link === "none"
            ? "its own"
            : machine.link === "up"
              ? "held open by the hub"
              : "the hub holds it open, and it is down: it is tried again by itself"}
        </dd>
      </dl>
      {machine.problem ? <ProblemBlock problem={machine.problem} tone="warn" /> : null}
    </section>
  );
}
