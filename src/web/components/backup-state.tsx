/** How backups and restore drills show their state. */
import type { ComponentProps, ReactNode } from "react";
import type { Backup, Drill } from "../../contract/api-backups.ts";
import { State } from "./state.tsx";

type Props = ComponentProps<typeof State>;
type Look = [Props["tone"], Props["shape"], string];

const BACKUP: Record<Backup["state"], Look> = {
  proven: ["ok", "disc", "Proven"],
  partial: ["warn", "triangle", "Partial"],
  failed: ["bad", "octagon", "Failed"],
  running: ["busy", "arc", "Running"],
};
export function BackupStateLabel({ state, detail }: { state: Backup["state"]; detail?: string }): ReactNode {
  const [tone, shape, word] = BACKUP[state];
  return <State tone={tone} shape={shape} word={word} detail={detail ?? null} />;
}

const DRILL: Record<Drill["state"], Look> = {
  passed: ["ok", "disc", "Passed"],
  failed: ["bad", "octagon", "Failed"],
  running: ["busy", "arc", "Running"],
};
export function DrillStateLabel({ state, detail }: { state: Drill["state"]; detail?: string }): ReactNode {
  const [tone, shape, word] = DRILL[state];
  return <State tone={tone} shape={shape} word={word} detail={detail ?? null} />;
}
