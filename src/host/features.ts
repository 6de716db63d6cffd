/** Every part of the host daemon beside its core, in the order in which they start, and their answers to the hub. */
import { createBackups } from "./backups/backups.ts";
import { createCommands } from "./commands/commands.ts";
import type { HostCore, HostFeature } from "./core.ts";
import { createImagePruning } from "./images/pruning.ts";
import { createSystemWatch } from "./images/system-changed.ts";
import { createMachine } from "./machine/machine.ts";
import { createSnapshots } from "./snapshots/snapshots.ts";
import { createSshFeature } from "./ssh-gateway/index.ts";
import { createUsage } from "./usage/watch.ts";
import { createVms } from "./vms/feature.ts";

export function createFeatures(host: HostCore) {
  const backups = createBackups(host);
  const snapshots = createSnapshots(host);
  const ssh = createSshFeature(host);
  const usage = createUsage(host, ssh.logins);
  const commands = createCommands(host);
  // Where projects are plain processes there is no helper for snapshots and backups; Plus has no SSH either.
  const kept = host.plain
    ? []
    : [snapshots.feature, backups.feature, createImagePruning(host), createSystemWatch(host)];
  const features: HostFeature[] = [
    ...kept,
    ...(host.config.product === "plus" ? [] : [ssh.feature, commands.feature]),
    usage.feature,
  ];
  return {
    features,
    handlers: {
      ...createMachine(host).handlers,
      ...snapshots.handlers,
      ...backups.handlers,
      ...ssh.handlers,
      ...usage.handlers,
      ...commands.handlers,
      ...createVms(host).handlers,
    },
  };
}
