/** What is open towards projects right now, sockets and long answers alike: ended when who opened it may no longer. */
import type { AppTarget } from "../../contract/apps.ts";
import { CodedError } from "../../core/errors.ts";

export interface LiveWay {
  /** An account, or `link:<id>`. */
  sub: string;
  project_id: string;
  /** The web server or app; none for files. */
  target?: AppTarget;
  end(): void;
  /** Whether it would be opened as it was, where the way is now such; yes unless said. */
  still?(route: unknown): boolean;
  /** Called now and then while it is open. */
  touch?(): void;
}

export interface LiveWays {
  /** Returns what to call once it has ended by itself. */
  hold(way: LiveWay): () => void;
  /** Looks at the rights again: of one project's, or of all. */
  recheck(projectId?: string): Promise<void>;
}

/** A removal is told at once by an event; this is for what no event tells. */
export const RECHECK_MS = 60_000;
/** The right is there, the way is not: what still flows may flow (a control link that blinks cuts no socket). */
const NO_MATTER_OF_RIGHTS = new Set(["host.away", "project.not-running"]);

/** `route` throws when the account may not use the project's pages. */
export function createLiveWays(
  route: (sub: string, projectId: string, target?: AppTarget) => Promise<unknown>,
): LiveWays {
  const live = new Map<string, Set<LiveWay>>();

  async function recheck(projectId?: string): Promise<void> {
    for (const [key, ways] of [...live]) {
      const [first] = ways;
      if (!first || (projectId !== undefined && first.project_id !== projectId)) continue;
      try {
        const now = await route(first.sub, first.project_id, first.target);
        for (const way of [...ways]) {
          if (way.still?.(now) ?? true) way.touch?.();
          else {
            ways.delete(way);
            way.end();
          }
        }
      } catch (error) {
        if (error instanceof CodedError && NO_MATTER_OF_RIGHTS.has(error.code)) continue;
        live.delete(key);
        for (const way of ways) way.end();
      }
    }
  }
  setInterval(() => void recheck(), RECHECK_MS).unref();

  return {
    recheck,
    hold(way) {
      const key = `${way.sub} ${way.project_id} ${way.target === undefined ? "" : JSON.stringify(way.target)}`;
      const ways = live.get(key) ?? new Set();
      live.set(key, ways);
      ways.add(way);
      return () => {
        ways.delete(way);
        if (ways.size === 0 && live.get(key) === ways) live.delete(key);
      };
    },
  };
}
