/**
 * The schema's history, one file each, in the order of their names. Never edited once released: a change is a new
 * entry. Runs under Kysely's migration lock.
 */
import type { Migration } from "kysely/migration";
import { type AuthOptions, accounts } from "./migrations/0001-accounts.ts";
import { hostsAndProjects } from "./migrations/0002-hosts-and-projects.ts";
import { changedKeys } from "./migrations/0003-changed-keys.ts";
import { leases } from "./migrations/0004-leases.ts";
import { ssh } from "./migrations/0020-ssh.ts";
import { apps } from "./migrations/0030-apps.ts";
import { backups } from "./migrations/0060-backups.ts";
import { projectLeftovers } from "./migrations/0061-project-leftovers.ts";
import { sharing } from "./migrations/0070-sharing.ts";
import { idle } from "./migrations/0071-idle.ts";
import { machines } from "./migrations/0100-machines.ts";
import { imageDigest } from "./migrations/0110-image-digest.ts";
import { repositoryRepair } from "./migrations/0120-repository-repair.ts";
import { hostCommands } from "./migrations/0140-host-commands.ts";
import { commandBackups } from "./migrations/0160-command-backups.ts";
import { commandVm } from "./migrations/0175-command-vm.ts";

export function migrations(authOptions: AuthOptions): Record<string, Migration> {
  return {
    "0001-accounts": { up: (db) => accounts(db, authOptions) },
    "0002-hosts-and-projects": { up: hostsAndProjects },
    "0003-changed-keys": { up: changedKeys },
    "0004-leases": { up: leases },
    "0020-ssh": { up: ssh },
    "0030-apps": { up: apps },
    "0060-backups": { up: backups },
    "0061-project-leftovers": { up: projectLeftovers },
    "0070-sharing": { up: sharing },
    "0071-idle": { up: idle },
    "0100-machines": { up: machines },
    "0110-image-digest": { up: imageDigest },
    "0120-repository-repair": { up: repositoryRepair },
    "0140-host-commands": { up: hostCommands },
    "0160-command-backups": { up: commandBackups },
    "0175-command-vm": { up: commandVm },
  };
}
