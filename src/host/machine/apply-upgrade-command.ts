/**
 * `cocalc-project-host apply-upgrade`: root's program that a command of the hub starts. It runs the installer that is
 * here already, from where this machine's releases come (its hub, or the address that its own release names), and
 * writes down how far that is. It is a unit of its own and outlives the services that the installer restarts.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { command } from "../../core/cli.ts";
import { CodedError, EX, type ProblemDetails } from "../../core/errors.ts";
import { cleanEnv } from "../../core/exec.ts";
import { isRoot } from "../../core/service-users.ts";
import { writeFileAtomic } from "../../core/state-file.ts";
import { releaseUrl } from "../helper/upgrade.ts";
import { INSTALLATION, logDir } from "./leave-plan.ts";
import {
  judgeInstaller,
  stepOf,
  UPGRADE_RECORD,
  type UpgradeRecord,
  upgradeRecordSchema,
} from "./upgrade-record.ts";

const SCRIPT = join(INSTALLATION, "current/install.sh");
const KEPT_LINES = 50;

const text = (name: string) => {
  const path = join(INSTALLATION, name);
  return existsSync(path) ? readFileSync(path, "utf8").trim() : "";
};
const versionNow = () => text("current/VERSION") || "unknown";
/** As the installer remembered it. */
const role = () => /^role=(\w+)$/m.exec(text("settings"))?.[1] ?? "host";

export default command({
  meta: { name: "apply-upgrade", description: "Runs this machine's installer for its hub, as root" },
  args: {
    "command-id": { type: "string", required: true, valueHint: "ID", description: "The hub's name for it" },
    kind: { type: "enum", options: ["upgrade", "rollback"], required: true, description: "Which way" },
    to: { type: "string", valueHint: "V", description: "Which version, instead of the latest" },
  },
  async run({ args }) {
    if (!isRoot()) {
      throw new CodedError({
        code: "upgrade.needs-root",
        title: "An upgrade replaces root's own files",
        fix: "It is started by the helper; by hand it is upgrade, with sudo.",
        exit: EX.NOPERM,
      });
    }
    mkdirSync(logDir(), { recursive: true, mode: 0o755 });
    const log = join(logDir(), `upgrade-${args["command-id"]}.log`);
    let record: UpgradeRecord = upgradeRecordSchema.parse({
      command_id: args["command-id"],
      kind: args.kind,
      state: "running",
      from: versionNow(),
      now: versionNow(),
      step: "looking at the machine",
      problem: null,
      log,
      at: new Date().toISOString(),
    });
    const write = (change: Partial<UpgradeRecord>) => {
      record = { ...record, ...change, now: versionNow(), at: new Date().toISOString() };
      writeFileAtomic(UPGRADE_RECORD, `${JSON.stringify(record, null, 2)}\n`, 0o644);
    };
    write({});
    const end = (problem: ProblemDetails | null) => {
      write({ state: problem ? "failed" : "done", problem });
      if (problem) process.exitCode = EX.TEMPFAIL;
    };
    const wanted = args.to === undefined ? [] : ["--version", args.to];
    let argv = ["--rollback"];
    if (args.kind === "upgrade" && role() === "host") argv = ["--from-hub", ...wanted];
    else if (args.kind === "upgrade") {
      if (releaseUrl(SCRIPT) === undefined) {
        end({
          code: "upgrade.no-address",
          title: "The hub's release names no address that newer ones come from",
          why: "It was built without --url: scripts/release.",
          fix: "Bring the new release to the hub's machine and upgrade there; then its hosts from here.",
          command: "sudo cocalc-hub upgrade --from DIR",
        });
        return;
      }
      argv = wanted;
    }
    const said: string[] = [];
    const ran = Bun.spawn(["sh", SCRIPT, ...argv], {
      cwd: "/",
      env: cleanEnv(),
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of ran.stderr) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        appendFileSync(log, `${new Date().toISOString()} ${line}\n`);
        said.push(line);
        if (said.length > KEPT_LINES) said.shift();
        const step = stepOf(line);
        if (step !== undefined) write({ step });
      }
    }
    const code = await ran.exited;
    end(judgeInstaller({ code, said, log }, { from: record.from, now: versionNow() }));
  },
});
