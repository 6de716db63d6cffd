/** What a host runs, what it could run, and how its last upgrade or rollback went. */
import { Button, Modal, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import type { Host } from "../../contract/api.ts";
import type { HostCommand } from "../../contract/api-commands.ts";
import { commandWords } from "../../contract/command-words.ts";
import { api, keys, queryClient } from "../api.ts";
import { ErrorBlock, ProblemBlock } from "../components/blocks.tsx";
import { askYesNo } from "../components/dialogs.tsx";
import { ago, isOlder, visible } from "../components/format.ts";
import { StepGlyph } from "../components/state.tsx";

/** Only while one is under way: what it tells comes as an event too. */
const REFRESH_MS = 2_000;

export function useHubVersion(): string | undefined {
  return useQuery({ queryKey: keys.setup, queryFn: api.setup.status, staleTime: 300_000 }).data?.version;
}

/** Another version than the hub's; of the hub's own machine never for long, since both are one installation. */
export const isBehind = (host: Host, hub: string | undefined): boolean =>
  host.type.kind !== "local" && hub !== undefined && host.report !== null && host.report.version !== hub;

/** The hub may be the older one, after it was rolled back: then its version is a way back for the host. */
const goesBack = (host: Host, hub: string | undefined): boolean =>
  hub !== undefined && host.report !== null && isOlder(hub, host.report.version);

const again = () => queryClient.invalidateQueries({ queryKey: keys.hosts });

export function HostVersion({ host }: { host: Host }): ReactNode {
  const hub = useHubVersion();
  const name = visible(host.name);
  const local = host.type.kind === "local";
  const [asking, setAsking] = useState(false);
  const commands = useQuery({
    queryKey: [...keys.hosts, host.host_id, "commands"],
    queryFn: () => api.commands.list(host.host_id),
    refetchInterval: (query) => (query.state.data?.[0]?.finished_at === null ? REFRESH_MS : false),
  });
  const upgrade = useMutation({
    mutationFn: (version: string | undefined) =>
      api.commands.upgrade(host.host_id, version === undefined ? {} : { version }),
    async onSuccess() {
      setAsking(false);
      await again();
    },
  });
  const rollback = useMutation({
    mutationFn: () => api.commands.rollback(host.host_id),
    onSuccess: again,
  });
  const busy = commands.data?.[0]?.finished_at === null;
  const last = commands.data?.find((one) => one.vm === null);
  const behind = isBehind(host, hub);
  const goBack = async () => {
    const yes = await askYesNo({
      title: local ? "Roll the hub back?" : `Roll ${name} back?`,
      text: local
        ? "The hub and the host on its machine go back to the version before. Both are away for some seconds; projects go on."
        : "It goes back to the version that it had before. It is away for some seconds; its projects go on.",
      action: "Roll back",
    });
    if (yes) rollback.mutate();
  };
  return (
    <section aria-label="Version">
      <h3>Version</h3>
      <ErrorBlock error={(asking ? undefined : upgrade.error) ?? rollback.error ?? commands.error} />
      <p style={{ margin: "4px 0" }}>
        <span className="mono">{host.report?.version ?? "unknown"}</span>
        {local ? ", hub and host: they are one installation" : null}
        {!local && behind ? (
          <>
            , while the hub has <span className="mono">{hub}</span>
            <span className="dim">. One version apart they work together.</span>
          </>
        ) : null}
        {!local && !behind && host.report ? ", as the hub" : null}
      </p>
      {last ? <LastCommand host={host} command={last} /> : null}
      <div className="row" style={{ marginTop: 8, flexWrap: "wrap" }}>
        {local ? (
          <Button variant="default" disabled={busy} onClick={() => setAsking(true)}>
            Upgrade the hub…
          </Button>
        ) : (
          <Button
            variant={behind ? "filled" : "default"}
            disabled={busy || !behind}
            loading={upgrade.isPending}
            onClick={() => upgrade.mutate(undefined)}
          >
            {goesBack(host, hub) ? "Go back" : "Upgrade"}
            {behind ? ` to ${hub}` : ""}
          </Button>
        )}
        <Button variant="default" disabled={busy} loading={rollback.isPending} onClick={() => void goBack()}>
          Roll back
        </Button>
      </div>
      {asking ? (
        <UpgradeHub
          busy={upgrade.isPending}
          error={upgrade.error}
          close={() => setAsking(false)}
          go={(version) => upgrade.mutate(version)}
        />
      ) : null}
    </section>
  );
}

export function whatOf(one: HostCommand): string {
  if (one.vm !== null) {
    const words = commandWords(one);
    return words.charAt(0).toUpperCase() + words.slice(1);
  }
  if (one.kind === "rollback") return "Rollback";
  const back = one.version !== null && one.from_version !== null && isOlder(one.version, one.from_version);
  return `${back ? "Return" : "Upgrade"} to ${one.version ?? "the latest release"}`;
}

function LastCommand({ host, command }: { host: Host; command: HostCommand }): ReactNode {
  const cancel = useMutation({
    mutationFn: () => api.commands.cancel(host.host_id, command.command_id),
    onSuccess: again,
  });
  const insist = useMutation({
    mutationFn: () =>
      api.commands.upgrade(host.host_id, {
        ...(host.type.kind === "local" && command.version !== null ? { version: command.version } : {}),
        without_backups: true,
      }),
    onSuccess: again,
  });
  const cancelling = (
    <>
      <ErrorBlock error={cancel.error} />
      <Button size="xs" variant="default" loading={cancel.isPending} onClick={() => cancel.mutate()}>
        Cancel
      </Button>
    </>
  );
  const name = visible(host.name);
  if (command.state === "waiting") {
    return (
      <div className="row">
        <StepGlyph state="pending" />
        <span style={{ flex: 1 }}>
          {whatOf(command)}, asked for {ago(command.created_at)}: {name} gets it when it comes back.
        </span>
        {cancelling}
      </div>
    );
  }
  if (command.state === "backing-up") {
    return (
      <div className="row" role="status">
        <StepGlyph state="running" />
        <span style={{ flex: 1 }}>
          {whatOf(command)}: its projects are backed up first
          {command.detail ? `, ${visible(command.detail)}` : ""}.
        </span>
        {cancelling}
      </div>
    );
  }
  if (command.state === "running") {
    return (
      <div className="row" role="status">
        <StepGlyph state="running" />
        <span>
          {whatOf(command)}: {command.detail ?? "it has begun"}. It goes back by itself if it does not prove
          healthy.
        </span>
      </div>
    );
  }
  if (command.state === "failed" && command.problem) {
    return (
      <>
        <ProblemBlock
          tone="warn"
          problem={{ ...command.problem, title: `${whatOf(command)}: ${command.problem.title}` }}
        />
        {command.problem.code === "upgrade.not-backed-up" ? (
          <div className="row">
            <ErrorBlock error={insist.error} />
            <Button size="xs" variant="default" loading={insist.isPending} onClick={() => insist.mutate()}>
              Upgrade without these backups
            </Button>
          </div>
        ) : null}
      </>
    );
  }
  return (
    <p className="dim" style={{ margin: "4px 0" }}>
      {whatOf(command)}{" "}
      {command.state === "done"
        ? `from ${command.from_version ?? "an unknown version"}, done ${ago(command.finished_at)}`
        : `cancelled ${ago(command.finished_at)}`}
      , asked for by {visible(command.created_by)}.
    </p>
  );
}

function UpgradeHub({
  busy,
  error,
  close,
  go,
}: {
  busy: boolean;
  error: unknown;
  close: () => void;
  go: (version: string | undefined) => void;
}): ReactNode {
  const [version, setVersion] = useState("");
  return (
    <Modal opened onClose={close} title="Upgrade the hub">
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          go(version.trim() === "" ? undefined : version.trim());
        }}
      >
        <ErrorBlock error={error} />
        <p style={{ margin: 0 }}>
          The hub, and the host on its machine, take a newer release from the address that theirs was
          published at, and check its signature. Projects here that changed are backed up first. The hub is
          away for some seconds; projects, terminals and tunnels go on. If it does not prove healthy within a
          minute, it goes back by itself.
        </p>
        <TextInput
          label="Version"
          description="Empty: the latest"
          value={version}
          autoComplete="off"
          spellCheck={false}
          data-autofocus
          onChange={(event) => setVersion(event.currentTarget.value)}
        />
        <p className="dim" style={{ margin: 0 }}>
          A release that you built yourself: <span className="mono">sudo cocalc-hub upgrade --from DIR</span>{" "}
          on the hub’s machine.
        </p>
        <div className="row">
          <Button type="submit" loading={busy}>
            Upgrade the hub
          </Button>
          <Button variant="subtle" onClick={close}>
            Cancel
          </Button>
        </div>
      </form>
    </Modal>
  );
}

/** Brings all that run another version to the hub's version, each by a command of its own. */
export function UpgradeAll({ hosts }: { hosts: Host[] }): ReactNode {
  const hub = useHubVersion();
  const behind = hosts.filter((one) => isBehind(one, hub));
  const all = useMutation({
    mutationFn: async () => {
      // One that refuses does not keep the others from it.
      const asked = await Promise.allSettled(behind.map((one) => api.commands.upgrade(one.host_id)));
      for (const one of asked) if (one.status === "rejected") throw one.reason;
    },
    onSettled: again,
  });
  if (behind.length === 0) return null;
  const back = behind.filter((one) => goesBack(one, hub)).length;
  const verb = back === 0 ? "Upgrade" : back === behind.length ? "Take back" : "Bring";
  const ask = async () => {
    const yes = await askYesNo({
      title: `${verb} ${behind.length === 1 ? visible(behind[0]?.name ?? "") : `${behind.length} hosts`} to ${hub}?`,
      text: `${behind.map((one) => visible(one.name)).join(", ")}. Projects that changed are backed up first. Each is away for some seconds, and goes back by itself if the new version does not prove healthy there. Projects go on. Those that are away get it when they come back.`,
      action: verb,
    });
    if (yes) all.mutate();
  };
  return (
    <>
      <ErrorBlock error={all.error} />
      <Button variant="default" loading={all.isPending} onClick={() => void ask()}>
        {verb} {behind.length} to {hub}
      </Button>
    </>
  );
}
