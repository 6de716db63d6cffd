import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { api, keys } from "../api.ts";
import { ErrorBlock, PageHead } from "../components/blocks.tsx";
import { visible } from "../components/format.ts";

/** `name: ember, port: 9301` */
function details(detail: Record<string, unknown>): string {
  return Object.entries(detail)
    .map(([key, value]) => `${key}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ");
}

export default function AuditView(): ReactNode {
  const audit = useQuery({ queryKey: keys.audit, queryFn: api.audit, staleTime: 0 });
  return (
    <>
      <PageHead title="Audit log" note="What admins and hosts did; nothing in it can be changed" />
      <div className="body problems">
        <ErrorBlock error={audit.data ? undefined : audit.error} />
      </div>
      <table className="list">
        <thead>
          <tr>
            <th>When</th>
            <th>Who</th>
            <th>What</th>
            <th>Subject</th>
            <th>Detail</th>
          </tr>
        </thead>
        <tbody>
          {(audit.data ?? []).map((entry) => (
            <tr key={entry.id}>
              <td>{new Date(entry.at).toLocaleString()}</td>
              <td>
                <bdi>{visible(entry.actor)}</bdi>
              </td>
              <td className="mono">{entry.action}</td>
              <td className="mono">{visible(entry.subject)}</td>
              <td className="mono dim breaks audit-detail">{visible(details(entry.detail))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
