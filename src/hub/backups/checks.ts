/** Doctor's checks of backups: the jail, rustic, what the alarms say, and a file written by each host through the whole way. */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Host } from "../../contract/api.ts";
import { toProblem } from "../../core/errors.ts";
import { findRustic } from "../../core/rustic.ts";
import type { HubCore } from "../core.ts";
import { type CheckDefinition, fail, ok, skipped, unknown, warn } from "../health/check.ts";
import type { JailTrial } from "./jail-trial.ts";
import type { Jobs } from "./jobs.ts";
import type { Overview } from "./overview.ts";
import type { Repositories } from "./repositories.ts";

const GROUP = "Backups";
const PROBE_TIMEOUT_MS = 18_000;

export function backupChecks(
  core: HubCore,
  deps: { repositories: Repositories; jobs: Jobs; overview: Overview; jail: JailTrial },
  hosts: readonly Host[],
): CheckDefinition[] {
  const { repositories, jobs, overview } = deps;
  return [
    {
      code: "backup.jail",
      group: GROUP,
      name: "Jail for backups over SFTP",
      async run() {
        if (hosts.length === 0) return skipped("no host yet, so no sshd");
        try {
          await deps.jail.check();
        } catch (error) {
          const problem = toProblem(error);
          if (problem.code === "backup.jail-untried") return unknown(problem);
          throw error;
        }
        return ok("holds: a new file is taken, four attacks are refused");
      },
    },
    {
      code: "backup.rustic",
      group: GROUP,
      name: "rustic on the hub",
      run: async () => ok(findRustic()),
    },
    {
      code: "backup.alarms",
      group: GROUP,
      name: "Proven backups, drills, repository",
      async run() {
        const alarms = await overview.alarms();
        const [first] = alarms.filter((one) => one.severity === "bad").concat(alarms);
        if (first === undefined) {
          const facts = await overview.facts();
          const proven = facts.backups.find((one) => one.state === "proven");
          return proven ? ok(`newest proven ${proven.started_at}`) : skipped("nothing to back up yet");
        }
        const value = `${alarms.length} alarm${alarms.length === 1 ? "" : "s"}`;
        const problem = { code: first.code, title: first.title, why: first.why, fix: first.fix };
        return first.severity === "bad" ? fail(value, problem) : warn(value, problem);
      },
    },
    ...hosts.map(
      (host): CheckDefinition => ({
        code: "backup.sftp-write",
        group: host.name,
        name: "SFTP write to the repository",
        host_id: host.host_id,
        async run() {
          if (!core.links.isConnected(host.host_id)) return skipped("its control link is down");
          const one = await repositories.forHost(host.host_id);
          if (one.where.kind !== "local") return skipped("its backups go to S3");
          await jobs.register(host.host_id);
          const name = `probe-${randomBytes(16).toString("hex")}`;
          const content = randomBytes(32).toString("hex");
          const path = join(one.location, name);
          try {
            const { took_ms } = await core.links.request(
              host.host_id,
              "backup.probe",
              { name, content },
              { timeout: PROBE_TIMEOUT_MS },
            );
            // The host's word is not enough: what it wrote must lie on the hub's disk.
            const arrived = existsSync(path) && readFileSync(path, "utf8") === content;
            if (arrived) return ok(`written and found, ${took_ms.toFixed(0)} ms`);
            return fail("not found on the hub's disk", {
              code: "backup.write-lost",
              title: `What ${host.name} wrote did not arrive in the repository`,
              why: `The host says that it wrote ${name}; it is not in ${one.location}.`,
              fix: "Another SSH server may answer on the hub's port: see the check of the OpenSSH server.",
            });
          } finally {
            rmSync(path, { force: true });
          }
        },
      }),
    ),
  ];
}
