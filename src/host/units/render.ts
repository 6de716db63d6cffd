/**
 * The systemd units, from the templates in `systemd/`. One function for the installer, the appliance and the tests:
 * what is installed is what the golden files beside this show.
 */

import target from "../../../systemd/cocalc.target" with { type: "text" };
import backup from "../../../systemd/cocalc-backup.service" with { type: "text" };
import backupTimer from "../../../systemd/cocalc-backup.timer" with { type: "text" };
import connector from "../../../systemd/cocalc-connector.service" with { type: "text" };
import helper from "../../../systemd/cocalc-helper.service" with { type: "text" };
import hub from "../../../systemd/cocalc-hub.service" with { type: "text" };
import image from "../../../systemd/cocalc-image.service" with { type: "text" };
import localHost from "../../../systemd/cocalc-local-host.service" with { type: "text" };
import projectHost from "../../../systemd/cocalc-project-host.service" with { type: "text" };
import prove from "../../../systemd/cocalc-prove.service" with { type: "text" };
import prune from "../../../systemd/cocalc-prune.service" with { type: "text" };
import pruneTimer from "../../../systemd/cocalc-prune.timer" with { type: "text" };
import scrub from "../../../systemd/cocalc-scrub.service" with { type: "text" };
import scrubTimer from "../../../systemd/cocalc-scrub.timer" with { type: "text" };
import snapshot from "../../../systemd/cocalc-snapshot.service" with { type: "text" };
import snapshotTimer from "../../../systemd/cocalc-snapshot.timer" with { type: "text" };
import sshd from "../../../systemd/cocalc-sshd.service" with { type: "text" };
import storage from "../../../systemd/cocalc-storage.service" with { type: "text" };
import verify from "../../../systemd/cocalc-verify.service" with { type: "text" };
import verifyTimer from "../../../systemd/cocalc-verify.timer" with { type: "text" };
import { CodedError, EX } from "../../core/errors.ts";

export type Role = "hub" | "host";

export interface UnitOptions {
  /** What this machine is: a hub (with `host` beside it, a host of its own), or a host of another machine's hub. */
  roles: readonly Role[];
  hubUser: string;
  hostUser: string;
  /** Roots of all state, as `--data-dir` names them; each holds `bin/current` too. */
  hubRoot: string;
  hostRoot: string;
  /** Root's own directory with `current/cocalc-project-host`: nothing a service user can write. */
  helperRoot: string;
  basePort: number;
  product: string;
  publicHost?: string | undefined;
}

const TEMPLATES: { name: string; text: string; needs: readonly Role[] }[] = [
  { name: "cocalc.target", text: target, needs: [] },
  { name: "cocalc-hub.service", text: hub, needs: ["hub"] },
  { name: "cocalc-sshd.service", text: sshd, needs: ["hub"] },
  { name: "cocalc-backup.service", text: backup, needs: ["hub"] },
  { name: "cocalc-backup.timer", text: backupTimer, needs: ["hub"] },
  { name: "cocalc-prune.service", text: prune, needs: ["hub"] },
  { name: "cocalc-prune.timer", text: pruneTimer, needs: ["hub"] },
  { name: "cocalc-verify.service", text: verify, needs: ["hub"] },
  { name: "cocalc-verify.timer", text: verifyTimer, needs: ["hub"] },
  { name: "cocalc-image.service", text: image, needs: ["hub"] },
  { name: "cocalc-project-host.service", text: projectHost, needs: ["host"] },
  { name: "cocalc-connector.service", text: connector, needs: ["host"] },
  { name: "cocalc-helper.service", text: helper, needs: ["host"] },
  { name: "cocalc-storage.service", text: storage, needs: ["host"] },
  { name: "cocalc-prove.service", text: prove, needs: ["host"] },
  { name: "cocalc-scrub.service", text: scrub, needs: ["host"] },
  { name: "cocalc-scrub.timer", text: scrubTimer, needs: ["host"] },
  { name: "cocalc-snapshot.service", text: snapshot, needs: ["host"] },
  { name: "cocalc-snapshot.timer", text: snapshotTimer, needs: ["host"] },
  { name: "cocalc-local-host.service", text: localHost, needs: ["hub", "host"] },
];

/** What a path or name in a unit may hold: systemd would read `%`, quotes and blanks in its own way. */
const PLAIN = /^[A-Za-z0-9_./:@+-]+$/;

/** `ProtectHome=yes` hides /home, /root and /run/user; state that lies there is bound back, and nothing else. */
function home(...places: { root: string; dir: string }[]): string {
  const hidden = places.filter(({ root }) => /^\/(home|root|run\/user)\//.test(`${root}/`));
  if (hidden.length === 0) return "ProtectHome=yes";
  const bound = hidden.map(({ root, dir }) => `BindPaths=${dir}\nBindReadOnlyPaths=${root}/bin`);
  return ["ProtectHome=tmpfs", ...bound].join("\n");
}

/** Name and text of every unit for these roles. Errors: `units.unsafe-value`. */
export function renderUnits(options: UnitOptions): { name: string; text: string }[] {
  const { hubRoot, hostRoot } = options;
  const hubDir = `${hubRoot}/launchpad`;
  const hostDir = `${hostRoot}/project-host`;
  const [hub, host] = [
    { root: hubRoot, dir: hubDir },
    { root: hostRoot, dir: hostDir },
  ];
  const port = `--base-port ${options.basePort}`;
  const values: Record<string, string> = {
    HUB_USER: options.hubUser,
    HUB_GROUP: options.hubUser,
    HUB_ROOT: hubRoot,
    HUB_DIR: hubDir,
    HUB_BIN: `${hubRoot}/bin/current`,
    HUB_FLAGS: `--data-dir ${hubRoot} ${port}`,
    HUB_ENVIRONMENT: [
      `COCALC_PRODUCT=${options.product}`,
      ...(options.publicHost ? [`COCALC_PUBLIC_HOST=${options.publicHost}`] : []),
    ].join(" "),
    HUB_HOME: home(hub),
    HOST_USER: options.hostUser,
    HOST_GROUP: options.hostUser,
    HOST_ROOT: hostRoot,
    HOST_DIR: hostDir,
    HOST_BIN: `${hostRoot}/bin/current`,
    HOST_FLAGS: `--data-dir ${hostRoot} ${port}`,
    HOST_HOME: home(host),
    BOTH_HOMES: home(hub, host),
    POOL: `${hostDir}/storage/pool`,
    HELPER_ROOT: options.helperRoot,
    HELPER_BIN: `${options.helperRoot}/current`,
  };
  const given = [
    options.hubUser,
    options.hostUser,
    hubRoot,
    hostRoot,
    options.helperRoot,
    options.product,
    ...(options.publicHost ? [options.publicHost] : []),
  ];
  const bad = given.find((value) => !PLAIN.test(value));
  if (bad !== undefined) {
    throw new CodedError({
      code: "units.unsafe-value",
      title: `“${bad}” cannot stand in a systemd unit`,
      why: "Only letters, digits and _ . / : @ + - can.",
      fix: "Choose another directory or user.",
      exit: EX.USAGE,
    });
  }
  return TEMPLATES.filter(({ needs }) => needs.every((role) => options.roles.includes(role))).map(
    ({ name, text }) => ({
      name,
      text: text.replaceAll(/@([A-Z_]+)@/g, (whole, key: string) => values[key] ?? whole),
    }),
  );
}
