/** Every part of the hub beside its core, in the order in which they start. */

import { appRoutes } from "./api/app-routes.ts";
import { createBackups } from "./backups/index.ts";
import { createCommandsFeature } from "./commands/commands.ts";
import type { HubCore, HubFeature } from "./core.ts";
import { createFound } from "./hosts/found.ts";
import { createLeaving } from "./hosts/leaving.ts";
import { createImageRoutes } from "./images/images.ts";
import { createMachinesFeature } from "./machines/index.ts";
import { createMetrics } from "./metrics/metrics.ts";
import { createSharing } from "./people/sharing.ts";
import { createSnapshots } from "./snapshots/snapshots.ts";
import { createSsh } from "./ssh/index.ts";
import { createUpdates } from "./updates/updates.ts";

export function createFeatures(core: HubCore): HubFeature[] {
  // One person's own directory is theirs to back up, and nobody logs in to it from elsewhere.
  const team =
    core.config.product === "plus"
      ? []
      : [
          createSnapshots(core),
          createBackups(core),
          createSsh(core),
          createMachinesFeature(core),
          createUpdates(),
          createLeaving(core),
          createCommandsFeature(core),
          createFound(core),
        ];
  const parts: HubFeature[] = [appRoutes(core), createImageRoutes(core), ...team, createSharing(core)];
  return [...parts, createMetrics(core, parts)];
}
