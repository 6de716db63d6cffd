/** People in projects: their routes. */
import { FixedWindow } from "../../core/fixed-window.ts";
import { urlHost } from "../../core/url-host.ts";
import { peopleRoutes } from "../api/people-routes.ts";
import type { HubCore, HubFeature } from "../core.ts";
import { createPeople } from "./people.ts";

/** Enough for a class that joins behind one address, too little to find links or accounts by guessing. */
const GUESSES = { limit: 60, windowMs: 60_000 };

export function createSharing(core: HubCore): HubFeature {
  const people = createPeople(core);
  const guesses = new FixedWindow(GUESSES.limit, GUESSES.windowMs);
  return {
    routes: (api) =>
      peopleRoutes(api, {
        people,
        guesses,
        async publicUrl() {
          const [name] = core.identity.addresses();
          if (name === undefined) return `http://localhost:${core.ports.loopbackUi}`;
          return `https://${urlHost(name)}:${core.ports.https}`;
        },
      }),
  };
}
