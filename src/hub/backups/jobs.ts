/** A job on a host, followed to its end: begun, asked about, ended; over lost links and restarts of either side. */
import type { JobResult, JobState, Progress, Task } from "../../contract/backup-job.ts";
import { CodedError, EX } from "../../core/errors.ts";
import type { HubCore } from "../core.ts";
import type { JailTrial } from "./jail-trial.ts";
import { createLends } from "./lends.ts";
import type { OpenRepository, Repositories } from "./repositories.ts";

/** So long a host keeps a question about a job that runs: its end is told at once. */
const POLL_MS = 1_000;
/** A host that is away this long ends the wait; its helper ends the job by itself sooner. */
const AWAY_MS = 5 * 60_000;
const ATTEMPTS = 3;

export interface JobOrder {
  job_id: string;
  project_id: string;
  host_id: string;
  /** Null: the task needs none. */
  repository: OpenRepository | null;
  task: Task;
  image: string;
  digest: string | null;
  signal: AbortSignal;
  onProgress(progress: Progress): void;
}

const again = (error: unknown) =>
  error instanceof CodedError &&
  ["host.away", "conat.disconnected", "conat.timeout", "helper.away"].includes(error.code);

export function createJobs(core: HubCore, repositories: Repositories, jail: Pick<JailTrial, "known">) {
  const { links, db } = core;
  const lends = createLends(core);
  /** Where each host's adding key led when authorized_keys was last written. */
  const leads = new Map<string, string>();

  /** Asks over and over while the host is away, unless it was thrown out. */
  async function patiently<T>(signal: AbortSignal, hostId: string, ask: () => Promise<T>): Promise<T> {
    const end = performance.now() + AWAY_MS;
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!again(error) || performance.now() > end || signal.aborted) throw error;
        const host = await core.hosts.row(hostId);
        if (host === undefined || host.key_revoked === 1 || host.state === "gone") throw error;
        await Bun.sleep(1_000);
      }
    }
  }

  /** The host's keys as it has them now, in authorized_keys, leading where the settings of now say. */
  async function register(hostId: string): Promise<void> {
    await jail.known();
    const keys = await links.request(hostId, "backup.key", {});
    const known = await db
      .selectFrom("backup_keys")
      .selectAll()
      .where("host_id", "=", hostId)
      .executeTakeFirst();
    const wanted = { ...keys, read_repository: lends.of(hostId) };
    const lead = await repositories.idFor(hostId);
    if (
      leads.get(hostId) === lead &&
      known?.public_key === wanted.public_key &&
      known.read_key === wanted.read_key &&
      known.read_repository === wanted.read_repository
    )
      return;
    await db
      .insertInto("backup_keys")
      .values({ host_id: hostId, ...wanted })
      .onConflict((c) => c.column("host_id").doUpdateSet(wanted))
      .execute();
    await core.keysChanged();
    leads.set(hostId, lead);
  }

  async function run(order: JobOrder): Promise<JobResult> {
    const { repository } = order;
    if (order.task.kind === "backup" || repository?.where.kind !== "local") return await follow(order);
    return await lends.reading(order.host_id, repository.repository_id, order.signal, () => follow(order));
  }

  async function follow(order: JobOrder): Promise<JobResult> {
    const { host_id, job_id, project_id, task, image, digest, signal } = order;
    const begin = async () => {
      const repository = order.repository && repositories.asRepository(order.repository);
      if (repository) await register(host_id);
      await links.request(
        host_id,
        "backup.start",
        { job_id, project_id, repository, task, image, digest },
        { timeout: 120_000 },
      );
    };
    const poll = (wait_ms: number): Promise<JobState> =>
      patiently(signal, host_id, () => links.request(host_id, "backup.poll", { job_id, wait_ms }));
    // One that is there already was begun for a hub that ended meanwhile.
    let foreign = (await poll(0)).state !== "unknown";
    await patiently(signal, host_id, begin);
    let lost = 0;
    try {
      for (;;) {
        if (signal.aborted) throw new CodedError({ code: "operation.cancelled", title: "It was cancelled" });
        const asked = performance.now();
        const state = await poll(POLL_MS);
        if (state.progress) order.onProgress(state.progress);
        if (state.state === "ended") {
          if (state.problem && foreign) {
            // The repository was away together with that hub: this is no answer to what is asked now.
            foreign = false;
            await links.request(host_id, "backup.end", { job_id });
            await patiently(signal, host_id, begin);
            continue;
          }
          if (state.problem) throw new CodedError(state.problem);
          if (state.result) return state.result;
        }
        if (state.state === "unknown") {
          // Its helper was restarted, and the job died with it.
          lost += 1;
          if (lost >= ATTEMPTS) {
            throw new CodedError({
              code: "backup.job-lost",
              title: "The host lost the job again and again",
              why: "Its helper was restarted each time.",
              fix: "See the helper's log on that machine.",
              exit: EX.TEMPFAIL,
            });
          }
          await patiently(signal, host_id, begin);
        }
        // A host of an earlier version answers at once.
        await Bun.sleep(Math.max(0, POLL_MS - (performance.now() - asked)));
      }
    } catch (error) {
      await end(host_id, job_id);
      throw error;
    }
  }

  /** The host forgets it; one that is away does so by itself. */
  async function end(hostId: string, jobId: string): Promise<void> {
    await links.request(hostId, "backup.end", { job_id: jobId }).catch(() => {});
  }

  return { run, end, register, patiently, closeLends: lends.closeAll };
}
export type Jobs = ReturnType<typeof createJobs>;
