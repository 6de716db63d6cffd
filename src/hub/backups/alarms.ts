/** What an admin must hear of, computed on the hub from what it knows itself: a host that is silent raises it too. Pure. */
import type { Selectable } from "kysely";
import type { Alarm, Drill, RepositoryInfo } from "../../contract/api-backups.ts";
import type { ProblemDetails } from "../../core/errors.ts";
import type { BackupTable, ProjectTable } from "../db/schema.ts";
import { changedSince } from "./due.ts";

const HOUR_MS = 3_600_000;
const DRILL_DAYS = 3;
/** It backs itself up every hour, from the first repository on. */
const HUB_HOURS = 6;
const READ_BACK_DAYS = 15;

export interface AlarmFacts {
  now: number;
  alarmHours: number;
  /** 0: only on demand; then nobody waits for one. */
  everyMinutes: number;
  projects: Selectable<ProjectTable>[];
  /** Newest first. */
  backups: BackupTable[];
  drills: Drill[];
  repositories: RepositoryInfo[];
  readBackProblems: { repository_id: string; problem: string }[];
  damaged: { name: string; problem: string }[];
  /** When the hub itself was last in the repository. */
  hubBackedUpAt: string | null;
  /** Why SFTP is closed, or rustic missing. */
  problems: ProblemDetails[];
}

const hours = (ms: number) =>
  ms > 48 * HOUR_MS ? `${Math.round(ms / 24 / HOUR_MS)} days` : `${Math.round(ms / HOUR_MS)} h`;

export function alarmsOf(facts: AlarmFacts): Alarm[] {
  const { now } = facts;
  const alarms: Alarm[] = [];
  for (const { code, title, why, fix, command } of facts.problems) {
    const way = [fix, command].filter(Boolean).join(" ");
    alarms.push({ code, severity: "bad", title, ...(why ? { why } : {}), ...(way ? { fix: way } : {}) });
  }
  for (const project of facts.projects) {
    if (facts.everyMinutes === 0 || project.last_used_at === null || project.state === "archived") continue;
    const mine = facts.backups.filter((one) => one.project_id === project.project_id);
    const proven = mine.find((one) => one.state === "proven");
    const since = proven?.started_at ?? project.created_at;
    const age = now - Date.parse(since);
    if (age < -HOUR_MS) {
      alarms.push({
        code: "backup.clock",
        severity: "bad",
        title: `The newest backup of ${project.name} is of a time that has not come yet`,
        why: `It is of ${since}: a clock was ahead then, or this hub's is behind now.`,
        fix: "Correct the clock of the hub; the next backup puts it right.",
        project_id: project.project_id,
      });
      continue;
    }
    if (age < facts.alarmHours * HOUR_MS) continue;
    if (proven && !changedSince(project, proven.started_at)) continue;
    const last = mine[0];
    const why =
      last?.problem !== undefined && last.problem !== null
        ? (JSON.parse(last.problem) as ProblemDetails).title
        : "No backup was tried lately: its host is away, or the schedule does not run.";
    alarms.push({
      code: "backup.too-old",
      severity: "bad",
      title: proven
        ? `The last proven backup of ${project.name} is ${hours(age)} old`
        : `${project.name} has no proven backup`,
      why,
      fix: "Open its backups and run one; its outcome says what is wrong.",
      project_id: project.project_id,
    });
  }
  for (const one of facts.repositories) {
    if (one.space === "refuse" || one.space === "warn") {
      alarms.push({
        code: "backup.space",
        severity: one.space === "refuse" ? "bad" : "warn",
        title: `The disk of the repository ${one.repository_id} has ${((one.free_bytes ?? 0) / 2 ** 30).toFixed(1)} GiB free`,
        why:
          one.space === "refuse"
            ? "No backup begins until there is room."
            : "Backups stop when it gets less.",
        fix: "Free some space, keep fewer backups, or use a larger disk.",
      });
    }
  }
  for (const { name, problem } of facts.damaged) {
    alarms.push({
      code: "backup.quarantined",
      severity: "bad",
      title: `A file of the repository was put aside: ${name}`,
      why: problem,
      fix: "If one host is behind it again and again, look at that machine. Backups that relied on it show at the next drill.",
    });
  }
  for (const { repository_id, problem } of facts.readBackProblems) {
    alarms.push({
      code: "backup.data-damaged",
      severity: "bad",
      title: `Data of the repository ${repository_id} does not read back`,
      why: problem,
      fix: "Its disk may be failing: look at it. Run backups anew: data that is damaged is not taken for there.",
    });
  }
  for (const one of facts.repositories) {
    const age = now - Date.parse(one.read_back_at ?? one.created_at);
    if (age > READ_BACK_DAYS * 24 * HOUR_MS)
      alarms.push({
        code: "backup.not-read-back",
        severity: "warn",
        title: `Nothing of the repository ${one.repository_id} was read back for ${hours(age)}`,
        fix: "Run it now.",
      });
  }
  const [first] = facts.repositories.map((one) => one.created_at).sort();
  const hubAge = now - Date.parse(facts.hubBackedUpAt ?? first ?? new Date(now).toISOString());
  if (hubAge > HUB_HOURS * HOUR_MS) {
    alarms.push({
      code: "backup.hub-too-old",
      severity: "bad",
      title: facts.hubBackedUpAt
        ? `The hub's own last backup is ${hours(hubAge)} old`
        : "The hub itself has no backup",
      why: "Without it, accounts, projects and keys are on one disk alone.",
      fix: "Run it; what it says is what is wrong.",
    });
  }
  const oldest = facts.backups.filter((one) => one.state === "proven").at(-1);
  const lastDrill = facts.drills.find((one) => one.state !== "running");
  if (lastDrill?.state === "failed") {
    alarms.push({
      code: "backup.drill-failed",
      severity: "bad",
      title: `The restore drill of ${lastDrill.project_name} failed`,
      why: lastDrill.problem?.why ?? lastDrill.problem?.title ?? "",
      fix: "Run another drill of the same project; if it fails again, that backup cannot be relied upon.",
      project_id: lastDrill.project_id,
    });
  }
  const passed = facts.drills.find((one) => one.state === "passed");
  const drillAge = now - Date.parse(passed?.started_at ?? oldest?.started_at ?? new Date(now).toISOString());
  if (drillAge > DRILL_DAYS * 24 * HOUR_MS) {
    alarms.push({
      code: "backup.no-drill",
      severity: "warn",
      title: `No restore drill passed for ${hours(drillAge)}`,
      fix: "Run one now.",
    });
  }
  return alarms;
}
