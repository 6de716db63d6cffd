/** `cocalc-hub project limits`: what a project may use, what it uses, and another limit. */
import type { Limits, Project } from "../../contract/api.ts";
import type { Usage as DiskUsage } from "../../contract/storage.ts";
import type { ProjectUsage } from "../../contract/usage.ts";
import { command, common, print, table } from "../../core/cli.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { parseSize, sizeText } from "../../core/size.ts";
import { access } from "./client.ts";
import { diskArg, diskLimit } from "./project-disk.ts";

const project = { type: "positional", required: true, description: "The project's id or name" } as const;

function number(text: string, flag: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value)) return value;
  throw new CodedError({ code: "cli.not-a-number", title: `--${flag} ${text} is no number`, exit: EX.USAGE });
}

function diskLine(disk: DiskUsage | null): string {
  if (disk === null) return "";
  const how = {
    simple: "",
    polled: "; counted now and then, the kernel of its host does not enforce the limit",
    none: "; its host has no pool, no limit is kept",
  }[disk.counted];
  return `${sizeText(disk.used_bytes)}: ${sizeText(disk.live_bytes)} live, ${sizeText(disk.held_bytes)} held by snapshots${how}`;
}

const told = ({ limits, usage, disk }: ProjectUsage & { limits: Limits }) =>
  table(
    ["", "LIMIT", "USED"],
    [
      ["memory", sizeText(limits.memory_bytes), usage ? sizeText(usage.memory_bytes) : ""],
      ["cpus", String(limits.cpus), usage ? usage.cpus.toFixed(2) : ""],
      ["processes", String(limits.pids), usage ? String(usage.processes) : ""],
      ["disk", limits.disk_bytes ? sizeText(limits.disk_bytes) : "none", diskLine(disk)],
    ],
  );

export default command({
  meta: { name: "limits", description: "What a project may use and what it uses; changes what is named" },
  args: {
    ...common,
    project,
    memory: { type: "string", valueHint: "SIZE", description: "Memory, such as 4G, from the next start on" },
    cpus: { type: "string", valueHint: "N", description: "CPUs, from the next start on" },
    pids: { type: "string", valueHint: "N", description: "Processes, from the next start on" },
    disk: diskArg,
  },
  async run({ args }) {
    const { api } = access(args);
    const limits: Partial<Limits> = {
      ...(args.memory === undefined ? {} : { memory_bytes: parseSize(args.memory) }),
      ...(args.cpus === undefined ? {} : { cpus: number(args.cpus, "cpus") }),
      ...(args.pids === undefined ? {} : { pids: number(args.pids, "pids") }),
      ...(args.disk === undefined ? {} : { disk_bytes: diskLimit(args.disk) }),
    };
    const found: Project =
      Object.keys(limits).length === 0
        ? await api.projects.get(args.project)
        : await api.projects.update(args.project, { limits });
    const used = await api.projects.usage(found.project_id);
    print(args, { limits: found.limits, ...used }, told);
  },
});
