/** One line to paste on another machine, and that machine's own checklist as it joins. */
import { Button, Modal, SegmentedControl } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type ReactNode, useEffect, useState } from "react";
import type { Host, JoinTokenCreated } from "../../contract/api.ts";
import { api, keys, queryClient } from "../api.ts";
import { Checklist, CommandBlock, ErrorBlock, ProblemBlock } from "../components/blocks.tsx";
import { bytes, plural, visible } from "../components/format.ts";
import { HostStateLabel } from "../components/state.tsx";
import { AddOverSsh } from "./add-over-ssh.tsx";

const REFRESH_MS = 2_000;

function countdown(expires: string): string | undefined {
  const left = Math.round((Date.parse(expires) - Date.now()) / 1000);
  return left <= 0 ? undefined : `${Math.floor(left / 60)} min ${left % 60} s`;
}

export function AddMachine({ opened, close }: { opened: boolean; close: () => void }): ReactNode {
  const [way, setWay] = useState("line");
  const [token, setToken] = useState<JoinTokenCreated>();
  const [, tick] = useState(0);
  const create = useMutation({ mutationFn: api.joinTokens.create, onSuccess: setToken });
  const tokens = useQuery({
    queryKey: keys.tokens,
    queryFn: api.joinTokens.list,
    enabled: opened,
    refetchInterval: REFRESH_MS,
  });
  const hosts = useQuery({
    queryKey: keys.hosts,
    queryFn: api.hosts.list,
    enabled: opened,
    refetchInterval: REFRESH_MS,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: one line for each opening
  useEffect(() => {
    if (!opened) return;
    setToken(undefined);
    create.mutate();
    const timer = setInterval(() => tick((n) => n + 1), 1000);
    return () => {
      clearInterval(timer);
      void queryClient.invalidateQueries({ queryKey: keys.tokens });
    };
  }, [opened]);
  const used = tokens.data?.find((one) => one.token_id === token?.token_id);
  const host = hosts.data?.find((one) => one.host_id === used?.used_by_host_id);
  const left = token ? countdown(token.expires_at) : undefined;
  return (
    <Modal opened={opened} onClose={close} title="Add a machine" size="lg">
      <SegmentedControl
        aria-label="How it joins"
        fullWidth
        value={way}
        onChange={setWay}
        data={[
          { value: "line", label: "A line to run there" },
          { value: "ssh", label: "Sign in from here, over SSH" },
        ]}
        style={{ marginBottom: 12 }}
      />
      {way === "ssh" ? (
        <AddOverSsh
          joined={(id) => {
            const made = hosts.data?.find((one) => one.host_id === id);
            return made ? <Joined host={made} /> : null;
          }}
        />
      ) : null}
      <div className="stack" style={way === "line" ? undefined : { display: "none" }}>
        <p className="dim" style={{ margin: 0 }}>
          It needs no open port there: the machine connects to this hub. The line checks that it is this very
          hub before it runs anything.
        </p>
        <ErrorBlock error={create.error} />
        {token ? (
          <>
            <CommandBlock
              where="Run on the Linux machine, as root or as a user who may use sudo"
              command={token.line}
              prompt
              autoFocus
            />
            <div className="row">
              <span className="dim" role="status">
                {used?.used_at
                  ? `Used by ${host ? visible(host.name) : "a machine"} at ${new Date(used.used_at).toLocaleTimeString()}. The next machine needs a new line.`
                  : left
                    ? "Works once, for one machine."
                    : "It has run out: nobody used it."}
              </span>
              <span className="dim" aria-hidden="true">
                {used?.used_at || !left ? "" : `${left} left`}
              </span>
              <span style={{ flex: 1 }} />
              {used?.used_at || !left ? (
                <Button
                  variant="default"
                  size="xs"
                  onClick={() => create.mutate()}
                  loading={create.isPending}
                >
                  Make a new line
                </Button>
              ) : null}
            </div>
          </>
        ) : null}
        {host ? <Joined host={host} /> : null}
      </div>
    </Modal>
  );
}

/** The machine's own checklist, as it joins. */
function Joined({ host }: { host: Host }): ReactNode {
  const facts = host.report?.facts;
  return (
    <section aria-label={visible(host.name)} className="joined">
      <div className="row">
        <b>
          <bdi>{visible(host.name)}</bdi>
        </b>
        <HostStateLabel state={host.state} />
        <span style={{ flex: 1 }} />
        <span className="dim">
          {facts ? `${facts.os}, ${plural(facts.cpus, "CPU")}, ${bytes(facts.memory_bytes)} memory` : ""}
        </span>
      </div>
      <Checklist steps={host.checklist} />
      {host.problem ? <ProblemBlock problem={host.problem} tone="warn" /> : null}
      {host.state === "ready" ? <p style={{ margin: 0 }}>New projects can run on it now.</p> : null}
    </section>
  );
}
