/** Whether security updates of the hub's own machine come by themselves: a check of doctor and the health page. */
import { existsSync, statSync } from "node:fs";
import { exec } from "../../core/exec.ts";
import { type CheckDefinition, type Outcome, ok, skipped, warn } from "../health/check.ts";

const DAY_MS = 86_400_000;
/** They run daily; a machine that was off for a weekend is not late yet. */
const LATE_DAYS = 7;
const PROGRAM = "/usr/bin/unattended-upgrade";
/** Both are touched when a run has ended: by Debian's timer, and by the program itself. */
const STAMPS = ["/var/lib/apt/periodic/upgrade-stamp", "/var/lib/apt/periodic/unattended-upgrades-stamp"];
const REBOOT = "/run/reboot-required";

export interface UpdateFacts {
  /** undefined: the distribution has no apt, and looks after itself in another way. */
  automatic: boolean | undefined;
  lastRun: Date | undefined;
  /** An update, of the kernel mostly, is in force only after the next boot. */
  waitsForReboot: boolean;
}

export function judgeUpdates(facts: UpdateFacts, now: Date): Outcome {
  if (facts.automatic === undefined) return skipped("this distribution's own affair: no apt on this machine");
  if (!facts.automatic) {
    return warn("not automatic", {
      code: "updates.off",
      title: "Security updates do not come by themselves on the hub's machine",
      why: "unattended-upgrades is not installed, or switched off.",
      fix: "Install it, or see to the updates in another way.",
      command: "sudo apt-get install unattended-upgrades && sudo dpkg-reconfigure -plow unattended-upgrades",
    });
  }
  const days =
    facts.lastRun === undefined
      ? undefined
      : Math.max(0, Math.floor((now.getTime() - facts.lastRun.getTime()) / DAY_MS));
  const value = `automatic, ${days === undefined ? "no run yet" : days === 0 ? "last run today" : `last run ${days} days ago`}`;
  if (facts.waitsForReboot) {
    return warn(value, {
      code: "updates.reboot",
      title: "A security update waits for the hub's machine to be rebooted",
      why: "It is installed, but what runs is the version before it: the kernel's, mostly.",
      fix: "Reboot when it suits you; hosts and projects come back by themselves.",
      command: "sudo systemctl reboot",
    });
  }
  if (days !== undefined && days > LATE_DAYS) {
    return warn(value, {
      code: "updates.late",
      title: `The last run of security updates was ${days} days ago`,
      why: "Its timer does not run, or the archive of the distribution cannot be reached from here.",
      fix: "See what the last run said.",
      command: "journalctl -u apt-daily-upgrade.service -n 50",
    });
  }
  return ok(value);
}

async function readFacts(): Promise<UpdateFacts> {
  const waitsForReboot = existsSync(REBOOT);
  if (Bun.which("apt-config") === null) return { automatic: undefined, lastRun: undefined, waitsForReboot };
  const said = (await exec(["apt-config", "dump", "APT::Periodic::Unattended-Upgrade"])).stdout;
  const runs = STAMPS.filter((path) => existsSync(path)).map((path) => statSync(path).mtimeMs);
  return {
    // "0" and "" switch it off; anything else is an interval.
    automatic: existsSync(PROGRAM) && /"(?!0?")[^"]*"/.test(said),
    lastRun: runs.length > 0 ? new Date(Math.max(...runs)) : undefined,
    waitsForReboot,
  };
}

export function createUpdates(): { checks(): CheckDefinition[] } {
  return {
    checks: () => [
      {
        code: "hub.updates",
        group: "Hub",
        name: "Security updates of its machine",
        run: async () => judgeUpdates(await readFacts(), new Date()),
      },
    ],
  };
}
