/**
 * `cocalc-project-host deprovision`: ends what runs on this machine and takes away what is ours. The hub has it done by
 * its own command, after final backups; by hand it is for a machine whose hub is gone.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { command, common, print } from "../../core/cli.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { exec } from "../../core/exec.ts";
import { hostPaths } from "../../core/paths.ts";
import { isRoot } from "../../core/service-users.ts";
import { writeStateFile } from "../../core/state-file.ts";
import { serviceDataDir } from "../service-dir.ts";
import { readHostState } from "../state.ts";
import { isMounted, poolPlaces } from "../storage/pool-record.ts";
import { IDENTITY, INSTALLATION, isInstalled, leavingPlan, logDir } from "./leave-plan.ts";

const END_TIMEOUT_MS = 90_000;
const POLL_MS = 200;

export default command({
  meta: { name: "deprovision", description: "Ends what runs on this machine and removes what is ours" },
  args: {
    ...common,
    "dry-run": { type: "boolean", description: "Only say what would be removed and what kept" },
    "keep-data": { type: "boolean", description: "Projects, images and the pool stay" },
    yes: { type: "boolean", description: "Do it: without final backups, if the hub did not ask for it" },
  },
  async run({ args }) {
    const dataDir = args["data-dir"] ?? serviceDataDir();
    const paths = hostPaths(dataDir);
    const state = readHostState(paths);
    if (state === undefined) {
      throw new CodedError({
        code: "leave.no-host",
        title: "This machine is no host",
        why: `There is no ${paths.state}.`,
        fix: "Name its data directory with --data-dir.",
        exit: EX.NOINPUT,
      });
    }
    if (state.kind === "local") {
      throw new CodedError({
        code: "leave.hub-machine",
        title: "This is the hub's own machine: it goes with the hub",
        fix: "Uninstall both.",
        command: `sudo sh ${INSTALLATION}/current/install.sh --uninstall`,
        exit: EX.USAGE,
      });
    }
    const installed = isInstalled(dirname(paths.dir));
    const keepData = args["keep-data"] === true;
    const plan = leavingPlan(paths, { keepData, installed, hostId: state.host_id, root: isRoot() });
    if (args["dry-run"] === true) {
      print(args, plan, (one) =>
        [
          ...one.removes.map((what) => `remove  ${what}`),
          ...one.keeps.map((what) => `keep    ${what}`),
          "Nothing was changed.",
        ].join("\n"),
      );
      return;
    }
    if (args.yes !== true) {
      throw new CodedError({
        code: "leave.not-confirmed",
        title: "Nothing was removed",
        why: "This makes no backups: the hub's own command does, before it has this one done.",
        fix: "On the hub: cocalc-hub host deprovision. If that hub is gone, run this again with --yes.",
        exit: EX.USAGE,
      });
    }
    mkdirSync(logDir(), { recursive: true, mode: 0o755 });
    const say = (what: string) => {
      process.stderr.write(`${what}\n`);
      appendFileSync(plan.log, `${new Date().toISOString()} ${what}\n`);
    };
    say(
      `leaving the hub ${state.hub_id} as ${state.name} (${state.host_id})${keepData ? ", keeping data" : ""}`,
    );
    if (installed) await uninstall(keepData, say);
    else await endUp(join(paths.run, "up.lock"), say);
    if (!installed) {
      const places = poolPlaces(join(paths.dir, "storage"));
      if (isMounted(places)) {
        throw new CodedError({
          code: "leave.pool-mounted",
          title: `${places.pool} is still mounted: no data was removed`,
          why: "Something on this machine has a file open there.",
          fix: "End it, then run this again.",
          command: `fuser -vm ${places.pool}`,
          exit: EX.TEMPFAIL,
        });
      }
      // Its mount point is immutable underneath.
      if (!keepData && existsSync(places.pool)) await exec(["chattr", "-i", places.pool]);
    }
    const identity = IDENTITY.map((name) => join(paths.dir, name));
    const gone = [
      ...(keepData ? identity : [paths.dir]),
      ...(installed ? [] : [join(dirname(paths.dir), "bin")]),
    ];
    for (const path of gone.filter((one) => existsSync(one))) {
      rmSync(path, { recursive: true, force: true });
      say(`removed ${path}`);
    }
    const tombstone = {
      host_id: state.host_id,
      hub_id: state.hub_id,
      name: state.name,
      left_at: new Date().toISOString(),
      ...plan,
    };
    writeStateFile(join(logDir(), `left-${state.host_id}.json`), tombstone);
    say("done");
    print(args, tombstone, () => `this machine is no host any more; its log: ${plan.log}`);
  },
});

async function uninstall(keepData: boolean, say: (what: string) => void): Promise<void> {
  const script = join(INSTALLATION, "current/install.sh");
  const ran = await exec(["sh", script, "--uninstall", ...(keepData ? [] : ["--purge"])], {
    timeout: 300_000,
  });
  for (const line of ran.stderr.split("\n").filter((one) => one.trim() !== "")) say(line);
  if (ran.code === 0) return;
  throw new CodedError({
    code: "leave.uninstall-failed",
    title: `The installer could not remove everything (status ${ran.code})`,
    why: ran.stderr.trim().split("\n").at(-1) ?? "It said nothing.",
    fix: "Run it by hand; it goes on where it was.",
    command: `sudo sh ${script} --uninstall`,
    exit: EX.OSERR,
  });
}

/** By its command line, since one that ended may stay a zombie where nobody reaps. */
function runningUp(lock: string): number | undefined {
  try {
    const { pid } = JSON.parse(readFileSync(lock, "utf8")) as { pid: number };
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").includes("up") ? pid : undefined;
  } catch {
    return undefined; // never started, or gone
  }
}

/** Without systemd: the supervisor ends, and with it what it started. */
async function endUp(lock: string, say: (what: string) => void): Promise<void> {
  const pid = runningUp(lock);
  if (pid === undefined) return;
  say(`ending what runs here (pid ${pid})`);
  process.kill(pid, "SIGTERM");
  const end = Date.now() + END_TIMEOUT_MS;
  while (runningUp(lock) === pid) {
    if (Date.now() > end) {
      throw new CodedError({
        code: "leave.still-running",
        title: `Process ${pid} did not end within ${END_TIMEOUT_MS / 1000} s: no data was removed`,
        fix: "End it, then run this again.",
        command: `kill -KILL ${pid}`,
        exit: EX.TEMPFAIL,
      });
    }
    await Bun.sleep(POLL_MS);
  }
}
