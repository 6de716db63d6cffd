/** The hub's own bundle in the repository, beside the projects: nothing is safe while what opens it is on one disk. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CodedError, EX } from "../../core/errors.ts";
import { newId } from "../../core/ids.ts";
import type { HubCore } from "../core.ts";
import { makeBundle } from "./bundle.ts";
import { isLongAgo } from "./due.ts";
import { lookAt } from "./look.ts";
import type { Owners } from "./owner.ts";
import type { Repositories } from "./repositories.ts";
import type { BackupStore } from "./store.ts";

export const HUB_REASON = "hub";
export const HUB_HOST = "hub";
const EVERY_MS = 3_600_000;
export const BUNDLE_NAME = "hub.bundle";

export function createHubBackup(
  core: HubCore,
  deps: { repositories: Repositories; store: BackupStore; owners: Owners },
) {
  const { repositories, store, owners } = deps;

  async function run(): Promise<void> {
    const [one] = await repositories.all();
    if (!one) {
      throw new CodedError({
        code: "backup.no-repository-yet",
        title: "There is no repository yet",
        fix: "It is made with the first backup of a project.",
        status: 409,
        exit: EX.TEMPFAIL,
      });
    }
    // Whoever recovers takes the newest.
    await owners.assert(one);
    const backup_id = newId();
    const dir = join(core.paths.run, `hub-${backup_id}`);
    const started_at = new Date().toISOString();
    try {
      mkdirSync(dir, { mode: 0o700 });
      const bundle = await makeBundle(core.paths, core.master);
      writeFileSync(join(dir, BUNDLE_NAME), bundle, { mode: 0o600 });
      const said = await repositories.rusticOk(
        one,
        ["backup", ".", "--host", HUB_HOST, "--label", HUB_HOST, "--no-scan", "--json", "--force"],
        { cwd: dir },
      );
      const { id } = JSON.parse(said) as { id: string };
      const seen = await lookAt(repositories, one, id);
      const proven = seen.whole && seen.hostname === HUB_HOST;
      await store.begin({
        backup_id,
        project_id: core.identity.hub_id,
        project_name: HUB_HOST,
        host_id: HUB_HOST,
        repository_id: one.repository_id,
        snapshot_id: id,
        state: proven ? "proven" : "failed",
        reason: HUB_REASON,
        started_at,
        finished_at: new Date().toISOString(),
        files: 1,
        dirs: 1,
        bytes: bundle.length,
        added_bytes: bundle.length,
        took_ms: Date.now() - Date.parse(started_at),
        left_out: "[]",
        left_out_total: 0,
        problem: null,
        manifest: null,
        image: "",
        digest: null,
        forgotten_at: null,
      });
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }

  return {
    run,
    /** Once there is a repository, every few hours; a lease keeps two hubs from doing it twice. */
    async due(): Promise<void> {
      const last = (await store.ofProject(core.identity.hub_id))[0];
      if (last && !isLongAgo(last.started_at, EVERY_MS, Date.now())) return;
      const lease = await core.leases.take("backup of the hub");
      if (lease === undefined) return;
      try {
        if ((await repositories.all()).length > 0) await run();
      } finally {
        await lease.release();
      }
    },
  };
}
export type HubBackup = ReturnType<typeof createHubBackup>;
