/** Always the same three numbers: live files, held by snapshots alone, and what is left of the limit. */
import type { ReactNode } from "react";
import type { Usage } from "../../contract/storage.ts";
import { bytes } from "./format.ts";

export function StorageBar({ usage }: { usage: Usage }): ReactNode {
  const { live_bytes, held_bytes, used_bytes, quota_bytes } = usage;
  const whole = Math.max(quota_bytes ?? used_bytes, used_bytes, 1);
  const share = (count: number) => `${(count / whole) * 100}%`;
  return (
    <div className="storage-bar">
      <div className="bar" aria-hidden="true">
        <i className="live" style={{ width: share(live_bytes) }} />
        <i className="held" style={{ width: share(held_bytes) }} />
      </div>
      <dl className="facts">
        <dt>Live files</dt>
        <dd>{bytes(live_bytes)}</dd>
        <dt>In snapshots</dt>
        <dd>{bytes(held_bytes)}, deleted or changed since</dd>
        <dt>Limit</dt>
        <dd>
          {quota_bytes === null
            ? "none"
            : `${bytes(quota_bytes)}, ${bytes(Math.max(0, quota_bytes - used_bytes))} free`}
          {usage.counted === "polled"
            ? " (counted now and then; the kernel of its host, older than Linux 6.7, does not enforce it)"
            : ""}
          {usage.counted === "none" ? " (its host has no pool: none is kept)" : ""}
        </dd>
      </dl>
    </div>
  );
}
