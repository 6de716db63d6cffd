/** Admin settings: the database is the truth, the environment gives the default. */
import { z } from "zod";
import type { Setting } from "../../contract/api.ts";
import type { Config, ConfigEntry } from "../../core/config.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { nearest } from "../../core/nearest.ts";
import { assertAdmin, type Caller } from "../accounts/caller.ts";
import type { Audit } from "../audit/audit.ts";
import type { Db } from "../db/open.ts";
import type { Events } from "../live/events.ts";

const DEFINITIONS = {
  hub_name: {
    schema: z.string().trim().min(1).max(60),
    fallback: "CoCalc Launchpad",
    description: "Shown in the browser's title and on the sign-in page",
  },
  public_host: {
    schema: z.string().regex(/^[A-Za-z0-9.:-]{0,253}$/, "a host name or address, without https:// and port"),
    fallback: "",
    description: "Name or address by which people and machines reach this hub, beside those found by itself",
  },
  lan: {
    schema: z.enum(["blocked", "open"]),
    fallback: "blocked",
    description:
      "Whether projects may reach private addresses of the network their host is in: blocked or open",
  },
  default_memory_mb: {
    schema: z.number().int().min(64).max(1_048_576),
    fallback: 2048,
    description: "Memory limit of a new project, MiB",
  },
  default_cpus: {
    schema: z.number().min(0.1).max(1024),
    fallback: 2,
    description: "CPU limit of a new project",
  },
} as const;
export type SettingKey = keyof typeof DEFINITIONS;
type Value = string | number | boolean | null;

export interface Settings {
  get(key: "hub_name" | "public_host"): Promise<string>;
  lan(): Promise<"blocked" | "open">;
  number(key: "default_memory_mb" | "default_cpus"): Promise<number>;
  list(caller: Caller): Promise<Setting[]>;
  set(caller: Caller, changes: Record<string, unknown>): Promise<Setting[]>;
}

export function createSettings(
  db: Db,
  deps: { config: Config; entries: ConfigEntry[]; audit: Audit; events: Events },
): Settings {
  const environment: Partial<Record<SettingKey, string>> = deps.config.public_host
    ? { public_host: deps.config.public_host }
    : {};

  async function current(key: SettingKey): Promise<{ value: Value; source: Setting["source"] }> {
    const row = await db.selectFrom("settings").select("value").where("key", "=", key).executeTakeFirst();
    if (row) return { value: JSON.parse(row.value) as Value, source: "database" };
    const fromEnv = environment[key];
    if (fromEnv !== undefined) return { value: fromEnv, source: "environment" };
    return { value: DEFINITIONS[key].fallback, source: "default" };
  }

  async function list(caller: Caller): Promise<Setting[]> {
    assertAdmin(caller);
    const settings: Setting[] = [];
    for (const [name, definition] of Object.entries(DEFINITIONS)) {
      const key = name as SettingKey;
      const fallback = environment[key] ?? definition.fallback;
      settings.push({
        key,
        ...(await current(key)),
        default: fallback,
        description: definition.description,
        editable: true,
      });
    }
    for (const entry of deps.entries) {
      if (settings.some((setting) => setting.key === entry.key)) continue;
      settings.push({
        key: entry.key,
        value: entry.value,
        default: entry.value,
        source: entry.source,
        description: `${entry.description} (${entry.env}; read at start)`,
        editable: false,
      });
    }
    return settings;
  }

  return {
    get: async (key) => String((await current(key)).value),
    lan: async () => ((await current("lan")).value === "open" ? "open" : "blocked"),
    number: async (key) => Number((await current(key)).value),
    list,
    async set(caller, changes) {
      assertAdmin(caller);
      const parsed: [SettingKey, Value][] = [];
      const errors: { path: string; message: string }[] = [];
      for (const [name, raw] of Object.entries(changes)) {
        const definition = DEFINITIONS[name as SettingKey];
        if (definition === undefined) {
          const near = nearest(name, Object.keys(DEFINITIONS));
          errors.push({
            path: name,
            message: `there is no such setting${near ? `; did you mean ${near}?` : ""}`,
          });
          continue;
        }
        // From the command line every value is text.
        const value = typeof definition.fallback === "number" && typeof raw === "string" ? Number(raw) : raw;
        const result = definition.schema.safeParse(value);
        if (result.success) parsed.push([name as SettingKey, result.data]);
        else
          errors.push({ path: name, message: result.error.issues.map((issue) => issue.message).join("; ") });
      }
      if (errors.length > 0) {
        throw new CodedError({
          code: "settings.invalid",
          title: "Nothing was changed: a setting is not valid",
          errors,
          status: 422,
          exit: EX.DATAERR,
        });
      }
      await db.transaction().execute(async (trx) => {
        for (const [key, value] of parsed) {
          const text = JSON.stringify(value);
          await trx
            .insertInto("settings")
            .values({ key, value: text })
            .onConflict((c) => c.column("key").doUpdateSet({ value: text }))
            .execute();
        }
      });
      await deps.audit.write(caller.name, "settings.set", "hub", Object.fromEntries(parsed));
      deps.events.changed("settings", "hub");
      return await list(caller);
    },
  };
}
