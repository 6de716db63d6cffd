/** All there is to know of backups at once: for the admin's page, doctor, metrics and the alarms. */
import type { Alarm, BackupsOverview, RepositoryInfo } from "../../contract/api-backups.ts";
import type { ProblemDetails } from "../../core/errors.ts";
import { assertAdmin, type Caller } from "../accounts/caller.ts";
import type { HubCore } from "../core.ts";
import { type AlarmFacts, alarmsOf } from "./alarms.ts";
import { HUB_REASON } from "./hub-backup.ts";
import type { Keeper } from "./keeper.ts";
import type { OpenRepository, Repositories } from "./repositories.ts";
import { parsePolicy, policyInWords } from "./retention.ts";
import { roomOf } from "./space.ts";
import type { BackupStore } from "./store.ts";

/** A file put aside raises the alarm for this long. */
const QUARANTINE_ALARM_MS = 3 * 86_400_000;

export function createOverview(
  core: HubCore,
  deps: {
    repositories: Repositories;
    store: BackupStore;
    keeper: Keeper;
    /** What keeps backups from working at all. */
    problems(): ProblemDetails[];
  },
) {
  const { db, settings, hosts } = core;
  const { repositories, store, keeper } = deps;

  async function infoOf(one: OpenRepository): Promise<RepositoryInfo> {
    const room = await roomOf(one);
    const files = await db
      .selectFrom("backup_files")
      .select((eb) => eb.fn.countAll<number>().as("count"))
      .where("repository_id", "=", one.repository_id)
      .executeTakeFirst();
    return {
      repository_id: one.repository_id,
      kind: one.where.kind,
      location: one.location,
      created_at: one.created_at,
      used_bytes: null,
      free_bytes: room?.free_bytes ?? null,
      total_bytes: room?.total_bytes ?? null,
      space: room?.space ?? "unknown",
      swept_files: Number(files?.count ?? 0),
      swept_at: one.swept_at,
      quarantined: await keeper.quarantined(one),
      read_back_at: one.read_back_at,
      pruned_at: one.pruned_at,
    };
  }

  async function facts(): Promise<AlarmFacts> {
    const all = await repositories.all();
    const present = await store.present();
    const damaged = await db
      .selectFrom("backup_files")
      .select(["name", "problem"])
      .where("name", "like", "quarantine/%")
      .where("seen_at", ">", new Date(Date.now() - QUARANTINE_ALARM_MS).toISOString())
      .execute();
    return {
      now: Date.now(),
      alarmHours: await settings.number("backup_alarm_hours"),
      everyMinutes: await settings.number("backup_every_minutes"),
      projects: await db.selectFrom("projects").selectAll().execute(),
      backups: present.filter((one) => one.reason !== HUB_REASON),
      hubBackedUpAt:
        present.find((one) => one.reason === HUB_REASON && one.state === "proven")?.started_at ?? null,
      drills: await store.drills(),
      repositories: await Promise.all(all.map(infoOf)),
      readBackProblems: all.flatMap(({ repository_id, read_back_problem }) =>
        read_back_problem === null ? [] : [{ repository_id, problem: read_back_problem }],
      ),
      damaged: damaged.map(({ name, problem }) => ({
        name: name.slice("quarantine/".length),
        problem: problem ?? "",
      })),
      problems: deps.problems(),
    };
  }

  /** What is wrong with the backups of one project; what is of the repositories is the admins' concern. */
  async function alarmsOfProject(id: string): Promise<Alarm[]> {
    const projects = await db.selectFrom("projects").selectAll().where("project_id", "=", id).execute();
    const now = Date.now();
    const all = alarmsOf({
      now,
      alarmHours: await settings.number("backup_alarm_hours"),
      everyMinutes: await settings.number("backup_every_minutes"),
      projects,
      backups: await store.ofProject(id),
      drills: (await store.drills()).filter((one) => one.project_id === id),
      repositories: [],
      readBackProblems: [],
      damaged: [],
      hubBackedUpAt: new Date(now).toISOString(),
      problems: [],
    });
    return all.filter((one) => one.project_id === id);
  }

  async function overview(caller: Caller): Promise<BackupsOverview> {
    assertAdmin(caller);
    const now = await facts();
    const names = new Map((await hosts.all()).map((host) => [host.host_id, host.name]));
    return {
      alarms: alarmsOf(now),
      repositories: now.repositories,
      projects: await Promise.all(
        now.projects.map(async (project) => {
          const mine = now.backups.filter((one) => one.project_id === project.project_id);
          return {
            project_id: project.project_id,
            name: project.name,
            host_name: names.get(project.host_id ?? "") ?? null,
            last_proven_at: mine.find((one) => one.state === "proven")?.started_at ?? null,
            last: mine[0] ? await store.toBackup(mine[0]) : null,
          };
        }),
      ),
      drills: now.drills,
      isolation: (await settings.get("backup_isolation")) === "per-host" ? "per-host" : "shared",
      keeps: policyInWords(parsePolicy(await settings.get("backup_keep"))),
    };
  }
  return { facts, overview, alarmsOfProject, alarms: async () => alarmsOf(await facts()) };
}
export type Overview = ReturnType<typeof createOverview>;
