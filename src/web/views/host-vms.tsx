/** Virtual machines of Multipass on a host: what there is, and what is done with it by commands to that host. */
import { Button, Menu, Modal, NumberInput, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import { Link } from "wouter";
import type { Host } from "../../contract/api.ts";
import type { HostCommand } from "../../contract/api-commands.ts";
import type { Vms } from "../../contract/api-vms.ts";
import { DEFAULT_VM, VM_PREFIX } from "../../contract/vms.ts";
import { api, keys, queryClient } from "../api.ts";
import { CommandBlock, ErrorBlock, ProblemBlock } from "../components/blocks.tsx";
import { askYesNo } from "../components/dialogs.tsx";
import { visible } from "../components/format.ts";
import { StepGlyph } from "../components/state.tsx";
import { whatOf } from "./host-version.tsx";

type Vm = Vms["vms"][number];
const REFRESH_MS = 2_000;
const again = () => queryClient.invalidateQueries({ queryKey: keys.hosts });
const short = (vm: Vm) => vm.name.slice(VM_PREFIX.length);

export function HostVms({ host }: { host: Host }): ReactNode {
  const [making, make] = useState(false);
  const there = host.state === "ready" || host.state === "degraded";
  const vms = useQuery({
    queryKey: [...keys.hosts, host.host_id, "vms"],
    queryFn: () => api.vms.list(host.host_id),
    // A host that is away, or of a version before, has nothing to tell.
    enabled: there,
    retry: false,
  });
  const commands = useQuery({
    queryKey: [...keys.hosts, host.host_id, "commands"],
    queryFn: () => api.commands.list(host.host_id),
    refetchInterval: (query) => (query.state.data?.[0]?.finished_at === null ? REFRESH_MS : false),
  });
  const busy = commands.data?.[0]?.finished_at === null;
  const last = commands.data?.find((one) => one.vm !== null);
  const ended = last?.finished_at;
  // biome-ignore lint/correctness/useExhaustiveDependencies: looked at again whenever one has ended
  useEffect(() => {
    if (ended) void vms.refetch();
  }, [ended]);
  const told = vms.data;
  if (!there || (told === undefined && !vms.error)) return null;
  const missing = told?.problem?.code === "vm.no-multipass";
  return (
    <section aria-label="Virtual machines">
      <h3>Virtual machines</h3>
      <ErrorBlock error={vms.error} />
      {missing ? (
        <details>
          <summary className="dim">None: Multipass is not installed on this machine</summary>
          <p className="dim">With it, this machine makes others, which join as hosts of their own.</p>
          <CommandBlock where="On this machine, once" command={told?.problem?.command ?? ""} prompt />
          <Button size="xs" variant="default" loading={vms.isFetching} onClick={() => void vms.refetch()}>
            Look again
          </Button>
        </details>
      ) : told?.problem ? (
        <ProblemBlock problem={told.problem} tone="warn" />
      ) : null}
      {(told?.vms ?? []).map((vm) => (
        <VmRow key={vm.name} host={host} vm={vm} busy={busy} />
      ))}
      {last && !missing && !isMoot(last, told?.vms ?? []) ? (
        <LastVmCommand key={last.command_id} command={last} />
      ) : null}
      {told && !told.problem ? (
        <div style={{ marginTop: 8 }}>
          <Button variant="default" disabled={busy} onClick={() => make(true)}>
            Make a virtual machine…
          </Button>
        </div>
      ) : null}
      {making ? <SizeDialog host={host} close={() => make(false)} /> : null}
    </section>
  );
}

function VmRow({ host, vm, busy }: { host: Host; vm: Vm; busy: boolean }): ReactNode {
  const [resizing, resize] = useState(false);
  const runs = vm.state.toLowerCase() === "running";
  const act = useMutation({
    mutationFn: (what: "start" | "stop" | "delete") =>
      what === "delete"
        ? api.vms.remove(host.host_id, short(vm))
        : api.vms.act(host.host_id, short(vm), what),
    onSuccess: again,
  });
  const name = visible(short(vm));
  const remove = async () => {
    const yes = await askYesNo({
      title: `Delete ${name}?`,
      text: "The virtual machine and its disk are gone then. One that is a host of this hub is refused: deprovision it first.",
      action: "Delete it",
    });
    if (yes) act.mutate("delete");
  };
  return (
    <>
      <div className="row" style={{ marginTop: 8 }}>
        <span style={{ flex: 1 }}>
          <bdi>{name}</bdi>
          <div className="dim">
            {visible(vm.state)}
            {vm.ipv4[0] ? ` at ${visible(vm.ipv4[0])}` : null},{" "}
            {vm.host ? (
              <Link href={`/hosts/${vm.host.host_id}`}>host {visible(vm.host.name)}</Link>
            ) : vm.late ? (
              "did not join in time, and its join token has run out: delete it and make it again"
            ) : (
              "has not joined"
            )}
          </div>
        </span>
        <Button
          size="xs"
          variant="default"
          disabled={busy}
          loading={act.isPending}
          onClick={() => act.mutate(runs ? "stop" : "start")}
          aria-label={`${runs ? "Stop" : "Start"} ${name}`}
        >
          {runs ? "Stop" : "Start"}
        </Button>
        <Menu position="bottom-end">
          <Menu.Target>
            <Button size="xs" variant="default" disabled={busy} aria-label={`More of ${name}`}>
              …
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => resize(true)}>Resize</Menu.Item>
            <Menu.Item color="red" onClick={() => void remove()}>
              Delete
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </div>
      <ErrorBlock error={act.error} />
      {resizing ? <SizeDialog host={host} vm={vm} close={() => resize(false)} /> : null}
    </>
  );
}

/** What was wanted is so by now, however it came about: its problem is nobody's any more. */
function isMoot({ kind, state, vm }: HostCommand, vms: readonly Vm[]): boolean {
  if (state !== "failed") return false;
  const found = vms.find((one) => one.name === VM_PREFIX + vm?.name || one.name === vm?.name);
  const now = found?.state.toLowerCase();
  if (kind === "vm-create") return found?.host != null;
  if (kind === "vm-start") return now === "running";
  if (kind === "vm-stop") return now === "stopped";
  return kind === "vm-delete" && found === undefined;
}

const dismissedKey = (command: HostCommand) => `dismissed-${command.command_id}`;

function LastVmCommand({ command }: { command: HostCommand }): ReactNode {
  const [dismissed, dismiss] = useState(() => localStorage.getItem(dismissedKey(command)) !== null);
  const state = command.state === "done" || command.state === "failed" ? command.state : "running";
  if (command.state === "cancelled" || dismissed) return null;
  return (
    <>
      <div className="row" style={{ marginTop: 8 }}>
        <StepGlyph state={state} />
        <span>
          {whatOf(command)}
          {command.state === "waiting" ? <span className="dim"> waits for the host</span> : null}
          {command.state === "running" ? (
            <span className="dim"> under way; the first takes minutes</span>
          ) : null}
        </span>
      </div>
      {command.problem ? (
        <ProblemBlock problem={command.problem}>
          <Button
            size="xs"
            variant="default"
            onClick={() => {
              localStorage.setItem(dismissedKey(command), "1");
              dismiss(true);
            }}
          >
            Dismiss
          </Button>
        </ProblemBlock>
      ) : null}
    </>
  );
}

/** For a new one, or with `vm` for another size of one that is there: what is left empty stays. */
function SizeDialog({ host, vm, close }: { host: Host; vm?: Vm; close: () => void }): ReactNode {
  const [name, setName] = useState("");
  const [size, setSize] = useState<Partial<typeof DEFAULT_VM>>(vm ? {} : DEFAULT_VM);
  const go = useMutation({
    mutationFn: () =>
      vm
        ? api.vms.resize(host.host_id, short(vm), size)
        : api.vms.create(host.host_id, { name: name.trim(), ...size }),
    async onSuccess() {
      await again();
      close();
    },
  });
  const title = vm ? `Resize ${visible(short(vm))}` : "Make a virtual machine";
  const field = (what: keyof typeof DEFAULT_VM, label: string) => (
    <NumberInput
      label={label}
      min={1}
      allowDecimal={false}
      value={size[what] ?? ""}
      {...(vm ? { placeholder: "as it is" } : {})}
      onChange={(value) =>
        setSize(({ [what]: _, ...rest }) => (typeof value === "number" ? { ...rest, [what]: value } : rest))
      }
    />
  );
  return (
    <Modal opened onClose={close} title={title}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          go.mutate();
        }}
      >
        <p className="dim" style={{ margin: 0 }}>
          {vm
            ? "One that runs is restarted. A disk only grows."
            : `Multipass on ${visible(host.name)} makes it with Ubuntu; it fetches everything from this hub and joins as a host of its own, which takes some minutes.`}
        </p>
        {vm ? null : (
          <TextInput
            label="Name"
            description="Lower-case letters, digits and dashes"
            required
            data-autofocus
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
        )}
        {field("cpus", "CPUs")}
        {field("memory", "Memory, GiB")}
        {field("disk", "Disk, GiB")}
        <ErrorBlock error={go.error} />
        <div className="row">
          <Button
            type="submit"
            loading={go.isPending}
            disabled={vm !== undefined && Object.keys(size).length === 0}
          >
            {vm ? "Resize it" : "Make it"}
          </Button>
          <Button variant="subtle" onClick={close}>
            Cancel
          </Button>
        </div>
      </form>
    </Modal>
  );
}
