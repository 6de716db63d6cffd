/** How backups and restore drills show their state. */
import type { ComponentProps, ReactNode } from "react";
import type { Alarm, Backup, Drill } from "../../contract/api-backups.ts";
import { ProblemBlock } from "./blocks.tsx";
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

/** What an admin, or whoever opens the project, must hear of. */
export function BackupAlarms({ alarms }: { alarms: readonly Alarm[] }): ReactNode {
  return alarms.map((one) => (
    <ProblemBlock
      key={one.code + (one.project_id ?? "") + one.title}
      problem={one}
      tone={one.severity === "bad" ? "bad" : "warn"}
    />
  ));
}
