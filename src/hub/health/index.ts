/**
 * The health of the whole system, as coded checks. `cocalc-hub doctor`, GET /api/doctor and the Health page show the
 * same report.
 */
import type { DoctorReport, Host } from "../../contract/api.ts";
import { type CheckDefinition, runChecks } from "./check.ts";
import { type HostCheckDeps, hostChecks } from "./host-checks.ts";
import { type HubCheckDeps, hubChecks } from "./hub-checks.ts";

export interface HealthDeps extends HubCheckDeps, HostCheckDeps {
  hosts(): Promise<Host[]>;
  /** Of the parts beside the core. */
  checks(hosts: readonly Host[]): CheckDefinition[];
}

export interface Health {
  /** Runs every check now. Two callers at once share one run. */
  run(): Promise<DoctorReport>;
  /** The last report, or null before the first run. */
  last(): DoctorReport | null;
}

export function createHealth(deps: HealthDeps): Health {
  let running: Promise<DoctorReport> | undefined;
  let last: DoctorReport | null = null;
  async function run(): Promise<DoctorReport> {
    const hosts = (await deps.hosts()).filter(
      (host) => host.desired_state !== "gone" && host.state !== "gone",
    );
    const definitions = [
      ...hubChecks(deps),
      ...hosts.flatMap((host) => hostChecks(host, deps)),
      ...deps.checks(hosts),
    ];
    last = await runChecks(definitions, { now: () => deps.now() });
    return last;
  }
  return {
    run() {
      running ??= run().finally(() => {
        running = undefined;
      });
      return running;
    },
    last: () => last,
  };
}
