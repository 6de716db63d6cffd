/**
 * Managed apps: a command that serves HTTP on `$PORT`, started when its URL is opened. Some are built in; a project
 * adds its own in {@link APPS_FILE}, which belongs to the project: whoever reads it parses it.
 */
import { z } from "zod";
import builtIn from "./built-in-apps.json";
import { problemSchema } from "./problem.ts";

/** Below the project's home. */
export const APPS_FILE = ".config/cocalc/apps.json";
export const MAX_APPS = 50;
/** What is kept of an app's output. */
export const APP_LOG_BYTES = 256 * 1024;
/** Of one answer of `apps.log`. */
export const MAX_LOG_CHUNK_BYTES = 64 * 1024;
/** Below an app's own path, answered by the host: its state and log (GET), another try (POST). */
export const APP_STATUS_PATH = "/.cocalc/app";

export const appNameSchema = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, "letters a–z, digits and dashes");

/**
 * Where the app thinks it is. `keep`: below `$APP_BASE_URL`, and it sees the whole path. `strip`: at `/`; what it says
 * of paths in Location and cookies is rewritten. `root`: at `/`, and it gets an origin's root to itself.
 */
export const appBaseSchema = z.enum(["keep", "strip", "root"]);
export type AppBase = z.infer<typeof appBaseSchema>;

export const appDefinitionSchema = z.object({
  title: z.string().trim().min(1).max(60),
  /** For the login shell; `$PORT` and `$APP_BASE_URL` are set. */
  command: z.string().trim().min(1).max(4000),
  base: appBaseSchema.default("keep"),
  /** A program that must be in the PATH of a login shell. */
  needs: z
    .string()
    .regex(/^[A-Za-z0-9._+-]{1,64}$/, "the name of a program")
    .optional(),
  /** What to type in a terminal where {@link needs} is missing. */
  install: z.string().max(2000).optional(),
  /** Minutes without a session and without work until it is stopped; 0: never. */
  idle_minutes: z
    .number()
    .int()
    .min(0)
    .max(7 * 24 * 60)
    .default(60),
  /** Until it must listen. */
  start_seconds: z.number().int().min(1).max(3600).default(120),
});
export type AppDefinition = z.output<typeof appDefinitionSchema>;

export const appsFileSchema = z.object({ apps: z.record(appNameSchema, appDefinitionSchema) });

export const appStateSchema = z.enum(["stopped", "starting", "running", "failed"]);
export type AppState = z.infer<typeof appStateSchema>;

export const appStatusSchema = z.object({
  name: appNameSchema,
  state: appStateSchema,
  base: appBaseSchema,
  title: z.string().max(60),
  port: z.number().int().min(1).max(65535).nullable(),
  pid: z.number().int().nullable(),
  /** Milliseconds since the epoch of the last change of `state`. */
  since: z.number(),
  /** Connections to its port that are open now. */
  sessions: z.number().int(),
  problem: problemSchema.nullable(),
});
export type AppStatus = z.infer<typeof appStatusSchema>;

export const appSchema = appStatusSchema.extend({
  definition: appDefinitionSchema,
  /** `own`: of this project; it may hide a built-in of its name. */
  source: z.enum(["built-in", "own"]),
  installed: z.boolean(),
});
export type App = z.infer<typeof appSchema>;

/**
 * No app asks for a password of its own: who may see a project's pages is the gateway's matter, which also refuses
 * every request and socket from another origin (hence no second check of Origin where an app cannot know its own name).
 */
export const BUILT_IN_APPS: Readonly<Record<string, AppDefinition>> = Object.fromEntries(
  Object.entries(builtIn).map(([name, definition]) => [name, appDefinitionSchema.parse(definition)]),
);

/** `/<project_id>/apps/<name>`, without the closing slash. */
export function appPrefix(project_id: string, name: string): string {
  return `/${project_id}/apps/${name}`;
}

/** What a page of a project is served by: whatever listens on a port, or a managed app. */
export const appTargetSchema = z.union([
  z.object({ port: z.number().int().min(1).max(65535) }),
  z.object({ app: appNameSchema }),
]);
export type AppTarget = z.infer<typeof appTargetSchema>;

/** Where the hub shows it: below a prefix of an origin of the project's own, at that origin's root, or on one it shares. */
export const AT_HEADER = "cocalc-at";
export type AppPlace = "prefix" | "root" | "shared";
/** The host's answer where an app wants an origin's root: the hub gives it one. */
export const WANTS_ROOT_HEADER = "cocalc-wants-root";
