/** Backups, put together: what the hub does with its repositories, when, and what it tells of them. */
import { messageOf, type ProblemDetails, toProblem } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import { findRustic } from "../../core/rustic.ts";
import { backupRoutes } from "../api/backup-routes.ts";
import { moveRoutes } from "../api/move-routes.ts";
import type { HubCore, HubFeature } from "../core.ts";
import type { BackupKey } from "../sshd/render.ts";
import { adoptSnapshots } from "./adopt.ts";
import { backupChecks } from "./checks.ts";
import { mendTimes } from "./clock.ts";
import { registerCopies } from "./copies.ts";
import { createDrills } from "./drills.ts";
import { isDue, isLongAgo } from "./due.ts";
import { createGate } from "./gate.ts";
import { registerHostBackup } from "./host-backup.ts";
import { createHubBackup, HUB_REASON } from "./hub-backup.ts";
import { jailCommand } from "./jail.ts";
import { createJailTrial } from "./jail-trial.ts";
import { createJobs } from "./jobs.ts";
import { createKeeper } from "./keeper.ts";
import { backupMetrics } from "./metrics.ts";
import { createMoves } from "./moves.ts";
import { createNotifier } from "./notify.ts";
import { createOverview } from "./overview.ts";
import { createOwners } from "./owner.ts";
import { createRepositories } from "./repositories.ts";
import { createBackupService } from "./service.ts";
import { createBackupStore } from "./store.ts";

const log = logger("backups");
const ROUND_MS = 60_000;
const DAY_MS = 86_400_000;

export function createBackups(core: HubCore): HubFeature {
  const { db, settings, links } = core;
  const repositories = createRepositories(core);
  const store = createBackupStore(core);
  const owners = createOwners(core);
  const gate = createGate(db, core.leases);
  const jail = createJailTrial(core);
  const jobs = createJobs(core, repositories, jail);
  const service = createBackupService(core, { repositories, store, jobs, gate, owners });
  const keeper = createKeeper(core, { repositories, store, gate, owners });
  const hubBackup = createHubBackup(core, { repositories, store, owners });
  const drills = createDrills(core, { repositories, store, jobs, gate });
  const moves = createMoves(core, { store, service });
  registerCopies(core, { repositories, service, jobs });
  registerHostBackup(core, { store });
  let rusticProblem: ProblemDetails | undefined;
  const overview = createOverview(core, {
    repositories,
    store,
    keeper,
    problems: () => [jail.problem(), rusticProblem, ...owners.problems()].filter((one) => one !== undefined),
  });
  const notify = createNotifier(settings);

  async function validHosts(): Promise<Set<string>> {
    const rows = await db
      .selectFrom("hosts")
      .select("host_id")
      .where("key_revoked", "=", 0)
      .where("state", "!=", "gone")
      .execute();
    return new Set(rows.map((row) => row.host_id));
  }

  async function sshKeys(): Promise<BackupKey[]> {
    const valid = await validHosts();
    if (valid.size === 0) return [];
    const files = jail.holds();
    if (files === undefined) return [jail.key()];
    const rows = (await db.selectFrom("backup_keys").selectAll().execute()).filter((row) =>
      valid.has(row.host_id),
    );
    const all = await repositories.all();
    const keys = [jail.key()];
    for (const row of rows) {
      const id = await repositories.idFor(row.host_id);
      const own = all.find((one) => one.repository_id === id);
      const lent = all.find((one) => one.repository_id === row.read_repository);
      if (own?.where.kind === "local")
        keys.push({
          host_id: row.host_id,
          public_key: row.public_key,
          command: jailCommand(files, own.location),
        });
      if (lent?.where.kind === "local")
        keys.push({
          host_id: row.host_id,
          public_key: row.read_key,
          command: jailCommand(files, lent.location, true),
        });
    }
    return keys;
  }

  /** Begins what is due; a second caller at the same time begins nothing. */
  async function runDue(): Promise<number> {
    const lease = await core.leases.take("backups due");
    if (lease === undefined) return 0;
    try {
      const every = await settings.number("backup_every_minutes");
      await mendTimes(core, Date.now());
      const past = await store.present();
      let started = 0;
      for (const project of await db.selectFrom("projects").selectAll().execute()) {
        if (project.host_id === null || !links.isConnected(project.host_id)) continue;
        const mine = past.filter((one) => one.project_id === project.project_id);
        if (!isDue(project, mine, every, Date.now())) continue;
        await service.backupDue(project);
        started += 1;
      }
      return started;
    } finally {
      await lease.release();
    }
  }

  async function drillDue(): Promise<void> {
    const [last] = await store.drills(1);
    if (last && !isLongAgo(last.started_at, DAY_MS, Date.now())) return;
    const proven = (await store.present())
      .filter((one) => one.state === "proven" && one.reason !== HUB_REASON)
      .at(-1);
    // The first one a day after the first backup: a fresh hub has other things to do.
    if (!proven || !isLongAgo(proven.started_at, DAY_MS, Date.now())) return;
    const lease = await core.leases.take("backup drill");
    if (lease === undefined) return;
    try {
      await drills.start();
    } finally {
      await lease.release();
    }
  }

  let running: Promise<void> | undefined;
  async function round(): Promise<void> {
    // Without a host there is no sshd, and nothing to keep out.
    if ((await validHosts()).size > 0) await jail.round();
    try {
      findRustic();
      rusticProblem = undefined;
    } catch (error) {
      rusticProblem = toProblem(error);
    }
    await moves.clearLeftovers();
    if (rusticProblem === undefined) {
      await adoptSnapshots(core, { repositories, store, owners });
      await runDue();
      await keeper.round();
      await hubBackup
        .due()
        .catch((error: unknown) =>
          log.error("the hub itself could not be backed up", { why: messageOf(error) }),
        );
      await drillDue().catch((error: unknown) => log.warn("no drill", { why: messageOf(error) }));
    }
    await notify(await overview.alarms());
  }
  const tick = () => {
    running ??= round()
      .catch((error: unknown) => log.error("a round of backups failed", error))
      .finally(() => {
        running = undefined;
      });
  };
  let timer: ReturnType<typeof setInterval> | undefined;

  return {
    routes(api) {
      backupRoutes(api, {
        core,
        repositories,
        store,
        service,
        keeper,
        drills,
        overview,
        runDue,
        hubBackup,
        owners,
      });
      moveRoutes(api, moves);
    },
    sshKeys,
    metrics: (registry) => backupMetrics(registry, overview),
    checks: (hosts) => backupChecks(core, { repositories, jobs, overview, jail }, hosts),
    async start() {
      // Those of operations that are taken up again say so themselves in a moment.
      await store.closeStale(new Date(Date.now() - DAY_MS).toISOString(), {
        code: "backup.interrupted",
        title: "The hub ended while it ran",
      });
      await jobs.closeLends();
      timer = setInterval(tick, ROUND_MS);
      setTimeout(tick, 5_000);
    },
    async close() {
      clearInterval(timer);
      await running;
      await keeper.settled();
    },
  };
}
