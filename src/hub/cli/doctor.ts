import type { DoctorReport } from "../../contract/api.ts";
import { command, common, print } from "../../core/cli.ts";
import { access } from "./client.ts";

const MARK = { ok: "ok  ", warn: "WARN", fail: "FAIL", unknown: "??  ", skipped: "-   " } as const;

function text(report: DoctorReport): string {
  const lines: string[] = [];
  for (const group of new Set(report.checks.map((check) => check.group))) {
    lines.push(group);
    for (const check of report.checks.filter((one) => one.group === group)) {
      lines.push(`  ${MARK[check.status]} ${check.name}${check.value ? `: ${check.value}` : ""}`);
      if (!check.problem) continue;
      lines.push(`       ${check.problem.title}  [${check.problem.code}]`);
      if (check.problem.why) lines.push(`       why: ${check.problem.why}`);
      if (check.problem.fix) lines.push(`       fix: ${check.problem.fix}`);
      if (check.problem.command) lines.push(`       run: ${check.problem.command}`);
    }
  }
  lines.push(report.healthy ? "healthy" : "not healthy");
  return lines.join("\n");
}

export default command({
  meta: { name: "doctor", description: "Checks every part; status 1 when something fails or is not known" },
  args: common,
  async run({ args }) {
    const report = await access(args).api.doctor.run();
    print(args, report, text);
    if (!report.healthy) process.exitCode = 1;
  },
});
