/** The managed apps of a project: started when asked for, watched, ended when nobody uses them. */
import {
  type App,
  type AppDefinition,
  type AppState,
  type AppStatus,
  appPrefix,
} from "../../contract/apps.ts";
import type { ProblemDetails } from "../../core/errors.ts";
import { toProblem } from "../../core/errors.ts";
import type { Surroundings } from "../child-env.ts";
import { connectLocal } from "../splice.ts";
import { createDefinitions } from "./definitions.ts";
import { idle, type Usage } from "./idle.ts";
import { AppLog } from "./log.ts";
import { appsDir, leftBehind } from "./paths.ts";
import { adoptable, end, forget, type Launched, launch, lives } from "./running.ts";
import { connectionsTo, sessionMembers } from "./sessions.ts";
import { missing, searchPath } from "./which.ts";

const READY_POLL_MS = 100;
/** How often a running app's log is looked at … */
const WATCH_MS = 200;
/** … and while it is flooded; `yes` writes 200 MB/s. */
const FLOOD_WATCH_MS = 50;
/** How often its processes and sessions are. */
const LOOK_MS = 1_000;
/** An app that ran this long is started again when its page is opened after a crash. */
const STABLE_MS = 30_000;
const LOG_LINES = 12;

interface Entry {
  name: string;
  state: AppState;
  since: number;
  definition: AppDefinition;
  launched: Launched | undefined;
  problem: ProblemDetails | null;
  /** It may be started anew by opening its page. */
  restartable: boolean;
  log: AppLog;
  usage: Usage;
  timer: ReturnType<typeof setTimeout> | undefined;
}

export interface Apps {
  list(): Promise<{ apps: App[]; problem: ProblemDetails | null }>;
  open(request: { app: string; start: boolean; again?: boolean | undefined }): Promise<AppStatus>;
  stop(name: string): Promise<AppStatus>;
  log(name: string, from: number): { from: number; next: number; text: string; status: AppStatus };
  define(name: string, definition: AppDefinition | null): void;
}

export function createApps(
  around: Surroundings,
  env: Record<string, string | undefined>,
  changed: () => void,
  now: () => number = Date.now,
): Apps {
  const { home, project_id } = around;
  const definitions = createDefinitions(home);
  const entries = new Map<string, Entry>();
  for (const name of leftBehind(home)) adopt(name);

  function entryOf(name: string, definition: AppDefinition): Entry {
    const known = entries.get(name);
    if (known) return known;
    const entry: Entry = {
      name,
      state: "stopped",
      since: now(),
      definition,
      launched: undefined,
      problem: null,
      restartable: true,
      log: new AppLog(`${appsDir(home)}/${name}.log`),
      usage: { cpu: 0, at: now(), active: now() },
      timer: undefined,
    };
    entries.set(name, entry);
    return entry;
  }

  function adopt(name: string): void {
    const launched = adoptable(home, name);
    const definition = definitions.all().apps.get(name)?.definition;
    if (!launched || !definition) return;
    const entry = entryOf(name, definition);
    entry.launched = launched;
    become(entry, "running");
    entry.since = launched.since;
    watch(entry, launched);
  }

  function become(entry: Entry, state: AppState, problem: ProblemDetails | null = null): void {
    entry.state = state;
    entry.problem = problem;
    entry.since = now();
    changed();
  }

  function status(entry: Entry): AppStatus {
    const { name, state, since, definition, problem, launched } = entry;
    const up = state === "running" || state === "starting";
    return {
      name,
      state,
      since,
      problem,
      base: definition.base,
      title: definition.title,
      port: up ? (launched?.port ?? null) : null,
      pid: up ? (launched?.pid ?? null) : null,
      sessions: state === "running" && launched ? connectionsTo(launched.port) : 0,
    };
  }

  /** Over, for whatever reason: nothing of it is left running. */
  async function over(entry: Entry, launched: Launched, problem: ProblemDetails | null): Promise<void> {
    if (entry.launched !== launched) return;
    clearTimeout(entry.timer);
    entry.restartable = problem === null || (entry.state === "running" && now() - entry.since > STABLE_MS);
    entry.launched = undefined;
    forget(home, entry.name);
    become(entry, problem === null ? "stopped" : "failed", problem);
    await end(launched);
    if (entry.launched === undefined) entry.log.trim();
  }

  function watch(entry: Entry, launched: Launched): void {
    if (entry.launched !== launched) return;
    const again = entry.log.trim() > 0 ? FLOOD_WATCH_MS : WATCH_MS;
    if (now() - entry.usage.at < LOOK_MS) {
      entry.timer = setTimeout(() => watch(entry, launched), again);
      return;
    }
    const members = sessionMembers(launched.pid);
    if (launched.exited === undefined && members.length === 0) {
      void over(entry, launched, ended(entry, "It ended by itself", entry.log.tail(LOG_LINES)));
      return;
    }
    const cpu = members.reduce((sum, one) => sum + one.cpu, 0);
    const verdict = idle(entry.usage, {
      cpu,
      now: now(),
      sessions: connectionsTo(launched.port),
      limitMs: entry.definition.idle_minutes * 60_000,
    });
    entry.usage = verdict.usage;
    if (entry.state === "running" && verdict.over) {
      entry.log.note(`stopped: ${entry.definition.idle_minutes} min without a session and without work`);
      void over(entry, launched, null);
      return;
    }
    entry.timer = setTimeout(() => watch(entry, launched), again);
  }

  async function start(entry: Entry): Promise<void> {
    const { name, definition } = entry;
    entry.launched = undefined;
    entry.usage = { cpu: 0, at: now(), active: now() };
    become(entry, "starting");
    try {
      const lacks = await missing(definition, around, env);
      if (lacks) throw lacks;
      const base = definition.base === "root" ? "/" : `${appPrefix(project_id, name)}/`;
      const launched = await launch(name, definition, base, entry.log, around, env);
      if (entry.state !== "starting") {
        // Stopped meanwhile.
        forget(home, name);
        await end(launched);
        return;
      }
      entry.launched = launched;
      void launched.exited?.then(({ code, signal }) => {
        if (lives(launched)) {
          // Its shell has left the server to itself; that one is watched.
          launched.exited = undefined;
          return;
        }
        const how = signal === null ? `status ${code}` : signal;
        const when = entry.state === "starting" ? "before it listened on its port" : "while it ran";
        void over(entry, launched, ended(entry, `It ended with ${how} ${when}`, entry.log.tail(LOG_LINES)));
      });
      watch(entry, launched);
      void ready(entry, launched);
    } catch (error) {
      entry.restartable = false;
      become(entry, "failed", toProblem(error));
    }
  }

  async function ready(entry: Entry, launched: Launched): Promise<void> {
    const until = now() + entry.definition.start_seconds * 1000;
    while (entry.launched === launched && entry.state === "starting") {
      try {
        (await connectLocal(launched.port)).destroy();
        if (entry.launched === launched) become(entry, "running");
        return;
      } catch {
        // Not yet.
      }
      if (now() > until) {
        await over(entry, launched, {
          code: "app.never-listened",
          title: `${entry.definition.title} did not listen on its port within ${entry.definition.start_seconds} s`,
          why: entry.log.tail(LOG_LINES) || "It said nothing.",
          fix: "Its command must serve HTTP on 127.0.0.1 and the port in $PORT. Change it on the Apps page, then start it again.",
          status: 504,
        });
        return;
      }
      await Bun.sleep(READY_POLL_MS);
    }
  }

  function known(name: string): Entry {
    const definition = definitions.find(name);
    const entry = entryOf(name, definition);
    // A change holds from the next start on.
    if (entry.launched === undefined) entry.definition = definition;
    return entry;
  }

  return {
    async list() {
      const { apps, problem } = definitions.all();
      const path = await searchPath(around, env);
      return {
        problem,
        apps: [...apps].map(([name, { definition, source }]) => {
          const entry = known(name);
          return {
            ...status(entry),
            definition,
            source,
            title: definition.title,
            installed: definition.needs === undefined || Bun.which(definition.needs, { PATH: path }) !== null,
          };
        }),
      };
    },
    async open({ app, start: mayStart, again }) {
      const entry = known(app);
      const down = entry.state === "stopped" || (entry.state === "failed" && entry.restartable);
      if (mayStart && (down || (entry.state === "failed" && again === true))) await start(entry);
      return status(entry);
    },
    async stop(name) {
      const entry = known(name);
      const { launched } = entry;
      if (launched) await over(entry, launched, null);
      else if (entry.state !== "stopped") become(entry, "stopped");
      return status(entry);
    },
    log(name, from) {
      const entry = known(name);
      return { ...entry.log.read(from), status: status(entry) };
    },
    define(name, definition) {
      definitions.define(name, definition);
      changed();
    },
  };
}

function ended(entry: { definition: AppDefinition }, title: string, why: string): ProblemDetails {
  return {
    code: "app.ended",
    title: `${entry.definition.title}: ${title.charAt(0).toLowerCase()}${title.slice(1)}`,
    why: why || "It said nothing.",
    fix: "See its log, mend the cause, and start it again.",
    status: 502,
  };
}
