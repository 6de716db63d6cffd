/** `storage status`: the pool as it is, its disk, its errors, and what each project uses. */
import type { Usage } from "../../../contract/storage.ts";
import { command, common, print, table } from "../../../core/cli.ts";
import { hostPaths } from "../../../core/paths.ts";
import { helperClient } from "../../helper/client.ts";
import { serviceDataDir } from "../../service-dir.ts";
import { gb } from "../plan.ts";

const mb = (bytes: number) => (bytes >= 1e9 ? gb(bytes) : `${(bytes / 1e6).toFixed(1)} MB`);

export default command({
  meta: { name: "status", description: "The pool, its disk, its errors, and what each project uses" },
  args: common,
  async run({ args }) {
    const helper = helperClient(hostPaths(args["data-dir"] ?? serviceDataDir()).helperSocket);
    const facts = await helper.call("storage.facts", {});
    const health = await helper.call("storage.health", {});
    const { project_ids } = await helper.call("storage.projects", {});
    const projects: ({ project_id: string } & Usage)[] = [];
    for (const project_id of project_ids)
      projects.push({ project_id, ...(await helper.call("storage.usage", { project_id })) });
    print(args, { ...facts, health, projects }, () =>
      [
        `kind      ${facts.kind}${facts.kind === "btrfs" ? `, ${facts.mode}, ${facts.uuid}` : ""}`,
        `room      ${gb(facts.free_bytes)} free of ${gb(facts.total_bytes)}`,
        ...(facts.backing
          ? [
              `disk      ${gb(facts.backing.free_bytes)} free of ${gb(facts.backing.total_bytes)}, reserve ${gb(facts.backing.reserve_bytes)}: ${facts.watermark}`,
            ]
          : []),
        `quotas    ${facts.counted}`,
        ...(health.device_errors === null
          ? []
          : [
              `errors    ${Object.values(health.device_errors).reduce((sum, n) => sum + n, 0)}`,
              `scrubbed  ${health.scrub?.finished_at ?? "not yet"}`,
            ]),
        ...(facts.note ? [`note      ${facts.note}`] : []),
        "",
        table(
          ["PROJECT", "USED", "QUOTA", "LIVE", "IN SNAPSHOTS"],
          projects.map((one) => [
            one.project_id,
            mb(one.used_bytes),
            one.quota_bytes === null ? "none" : mb(one.quota_bytes),
            mb(one.live_bytes),
            mb(one.held_bytes),
          ]),
        ),
      ].join("\n"),
    );
  },
});
