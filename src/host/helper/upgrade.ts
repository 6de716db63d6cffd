/**
 * The helper's part in an upgrade: starts the program that runs the installer, as a unit of its own, since a child of
 * this one would end with it. Where its files come from is the installer's own business: nothing that is asked for
 * here names a place.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { z } from "zod";
import { CodedError, EX } from "../../core/errors.ts";
import { exec } from "../../core/exec.ts";
import { logger } from "../../core/log.ts";
import { dataRoot } from "../../core/paths.ts";
import { INSTALLATION, isInstalled } from "../machine/leave-plan.ts";
import type { machineHelperVerbs } from "./verbs/machine.ts";

const log = logger("helper");
const UNIT = "cocalc-upgrade.service";

export type UpgradeOrder = z.infer<(typeof machineHelperVerbs)["machine.upgrade"]["request"]>;

/** Errors: `upgrade.no-units`, `upgrade.not-started`. */
export async function beginUpgrade(order: UpgradeOrder, dataDir: string | undefined): Promise<void> {
  const root = dataRoot(dataDir);
  if (!existsSync("/run/systemd/system") || !isInstalled(root)) {
    throw new CodedError({
      code: "upgrade.no-units",
      title: "This machine's services are not run by systemd: it cannot upgrade itself",
      why: isInstalled(root) ? "There is no systemd." : `The installer did not make what is below ${root}.`,
      fix: "By hand, there. A machine that joined: paste another line from “Add a machine”, then start it again. The hub's own, from a checkout: get the version that is wanted and start it with ./scripts/run.",
      exit: EX.UNAVAILABLE,
    });
  }
  const program = join(INSTALLATION, "current/cocalc-project-host");
  const argv = ["apply-upgrade", "--command-id", order.command_id, "--kind", order.kind];
  if (order.version !== null) argv.push("--to", order.version);
  log.info("upgrading this machine", { ...order });
  const unit = ["systemd-run", "--quiet", "--collect", `--unit=${UNIT}`, "--", program, ...argv];
  const started = await exec(unit, { timeout: 20_000 });
  if (started.code === 0) return;
  throw new CodedError({
    code: "upgrade.not-started",
    title: "The upgrade could not be started",
    why: started.stderr.trim().slice(-300) || `systemd-run ended with ${started.code}.`,
    fix: "If another one is under way there, wait for its end.",
    command: `systemctl status ${UNIT}`,
    exit: EX.OSERR,
  });
}

export async function isUpgrading(): Promise<boolean> {
  if (!existsSync("/run/systemd/system")) return false;
  const said = (await exec(["systemctl", "is-active", UNIT], { timeout: 20_000 })).stdout.trim();
  return said === "active" || said === "activating";
}

/** Of install.sh as it is installed: the address that this machine's releases come from, if they come from one. */
export function releaseUrl(script: string): string | undefined {
  const url = /^RELEASE_URL='([^']*)'$/m.exec(readFileSync(script, "utf8"))?.[1];
  return url === "" ? undefined : url;
}
