/** Where people's SSH arrives at this host, and the key that it shows them. */
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { Host } from "../../contract/api.ts";
import { api, keys } from "../api.ts";
import { CopyButton, ErrorBlock } from "../components/blocks.tsx";

export function HostSsh({ host }: { host: Host }): ReactNode {
  const told = useQuery({
    queryKey: [...keys.ssh, "host", host.host_id],
    queryFn: () => api.ssh.host(host.host_id),
  });
  return (
    <section aria-label="SSH gateway">
      <h3>SSH gateway</h3>
      <ErrorBlock error={told.error} />
      {told.data ? (
        <dl className="facts">
          <dt>Port</dt>
          <dd>
            {told.data.port}, {told.data.listening ? "listens" : "not known to listen"}
          </dd>
          <dt>Host key</dt>
          {told.data.fingerprint === null ? (
            <dd>The host has not told it yet.</dd>
          ) : (
            <dd>
              <span className="mono breaks">{told.data.fingerprint}</span>{" "}
              <CopyButton text={told.data.fingerprint} />
            </dd>
          )}
        </dl>
      ) : null}
    </section>
  );
}
