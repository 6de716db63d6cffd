/** The helper's part in leaving: starts the one program that takes this machine apart, and which outlives the helper. */
import { existsSync } from "node:fs";
import { cleanEnv } from "../../core/exec.ts";
import { logger } from "../../core/log.ts";

const log = logger("helper");
/** So that the answer reaches the hub before the tunnel is cut. */
const ACKNOWLEDGE_MS = 2_000;

export function leaveSoon(binary: string, dataDir: string | undefined, keepData: boolean): void {
  const command = [
    binary,
    "deprovision",
    "--yes",
    ...(keepData ? ["--keep-data"] : []),
    ...(dataDir === undefined ? [] : ["--data-dir", dataDir]),
  ];
  // A child of this unit would end with it.
  const argv = existsSync("/run/systemd/system")
    ? ["systemd-run", "--collect", "--no-block", "--unit=cocalc-leaving", "--", ...command]
    : ["setsid", "--fork", ...command];
  setTimeout(() => {
    log.info("leaving the hub", { keep_data: keepData });
    Bun.spawn(argv, {
      cwd: "/",
      env: cleanEnv(),
      stdin: "ignore",
      stdout: "ignore",
      stderr: "ignore",
    }).unref();
  }, ACKNOWLEDGE_MS);
}
