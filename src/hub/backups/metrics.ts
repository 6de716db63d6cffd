/** Figures of backups for `/metrics`: what an alarm of one's own would be made of. Read when somebody scrapes. */
import { Gauge, type Registry } from "prom-client";
import type { Overview } from "./overview.ts";

export function backupMetrics(registry: Registry, overview: Pick<Overview, "facts" | "alarms">): void {
  const registers = [registry];
  const seconds = (now: number, at: string) => Math.max(0, (now - Date.parse(at)) / 1000);
  const project = ["project_id", "project"] as const;

  new Gauge({
    name: "cocalc_backup_proven_age_seconds",
    help: "Since the newest proven backup of each project that was ever used; since it was made where there is none",
    labelNames: project,
    registers,
    async collect() {
      this.reset();
      const { now, projects, backups } = await overview.facts();
      for (const { project_id, name, last_used_at, created_at } of projects) {
        if (last_used_at === null) continue;
        const proven = backups.find((one) => one.project_id === project_id && one.state === "proven");
        this.set({ project_id, project: name }, seconds(now, proven?.started_at ?? created_at));
      }
    },
  });
  new Gauge({
    name: "cocalc_backup_drill_age_seconds",
    help: "Since the last restore drill that passed; absent before the first",
    registers,
    async collect() {
      this.reset();
      const { now, drills } = await overview.facts();
      const passed = drills.find((one) => one.state === "passed");
      // Without labels a gauge that was reset would say 0: drilled just now.
      if (passed) this.set(seconds(now, passed.started_at));
      else this.remove();
    },
  });
  new Gauge({
    name: "cocalc_backup_hub_age_seconds",
    help: "Since the hub's own state was last seen in the repository; absent before the first",
    registers,
    async collect() {
      this.reset();
      const { now, hubBackedUpAt } = await overview.facts();
      if (hubBackedUpAt) this.set(seconds(now, hubBackedUpAt));
      else this.remove();
    },
  });
  new Gauge({
    name: "cocalc_backup_repository_bytes",
    help: "Disk of each repository on the hub",
    labelNames: ["repository", "kind"] as const,
    registers,
    async collect() {
      this.reset();
      for (const one of (await overview.facts()).repositories) {
        if (one.free_bytes !== null)
          this.set({ repository: one.repository_id, kind: "free" }, one.free_bytes);
        if (one.total_bytes !== null)
          this.set({ repository: one.repository_id, kind: "total" }, one.total_bytes);
      }
    },
  });
  new Gauge({
    name: "cocalc_backup_sweep_findings",
    help: "Files of each repository that were put aside",
    labelNames: ["repository"] as const,
    registers,
    async collect() {
      this.reset();
      for (const one of (await overview.facts()).repositories)
        this.set({ repository: one.repository_id }, one.quarantined);
    },
  });
  new Gauge({
    name: "cocalc_backup_alarms",
    help: "Alarms about backups now",
    labelNames: ["severity"] as const,
    registers,
    async collect() {
      const alarms = await overview.alarms();
      for (const severity of ["warn", "bad"] as const)
        this.set({ severity }, alarms.filter((one) => one.severity === severity).length);
    },
  });
}
