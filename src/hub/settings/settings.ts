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

/** Every setting: how it is read, what it is without an administrator, and what it means. */
export const DEFINITIONS = {
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
  apps_wildcard: {
    schema: z
      .string()
      .regex(
        /^$|^\*\.[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]{1,5})?$/i,
        "*.apps.example.org, with :port where people reach it by another than the apps port",
      ),
    fallback: "",
    description:
      "Names below which each project's pages get an address of their own, as *.apps.example.org: DNS and the hub's certificate must have it. Without it they get ports base+10 to base+73",
  },
  app_links: {
    schema: z.enum(["off", "on"]),
    fallback: "off",
    description: "Whether members may open an app to anyone with a link, for a limited time: off or on",
  },
  lan: {
    schema: z.enum(["blocked", "open"]),
    fallback: "blocked",
    description:
      "Whether projects may reach private addresses of the network their host is in: blocked or open",
  },
  project_links: {
    schema: z.enum(["anyone", "members"]),
    fallback: "anyone",
    description:
      "Whom an owner's link lets into a project: anyone, who may make an account with it, or members of this hub alone",
  },
  dangerous_process_runtime: {
    schema: z.enum(["refused", "allowed"]),
    fallback: "refused",
    description:
      "Whether projects may run on hosts without containers, where each can read all others: refused or allowed",
  },
  ssh_jump: {
    schema: z.enum(["on", "off"]),
    fallback: "on",
    description:
      "Whether people's SSH keys may pass through the hub's own SSH port to their projects, where no other SSH port is open: on or off",
  },
  default_memory_mb: {
    schema: z.number().int().min(64).max(1_048_576),
    fallback: 2048,
    description: "Memory limit of a new project, MiB",
  },
  max_memory_mb: {
    schema: z.number().int().min(64).max(1_048_576),
    fallback: 1_048_576,
    description: "Most memory that a project's owner may give it, MiB",
  },
  max_cpus: {
    schema: z.number().min(0.1).max(1024),
    fallback: 1024,
    description: "Most CPUs that a project's owner may give it",
  },
  default_disk_gb: {
    schema: z.number().min(0).max(1_048_576),
    fallback: 20,
    description: "Disk limit of a new project, GiB; 0 is none",
  },
  max_disk_gb: {
    schema: z.number().min(0).max(1_048_576),
    fallback: 0,
    description: "Most disk that a project's owner may give it, GiB; 0: as much as they like",
  },
  idle_stop_minutes: {
    schema: z.number().int().min(0).max(43_200),
    fallback: 0,
    description: "Idle projects are stopped after so many minutes, warned five minutes before; 0 is never",
  },
  default_cpus: {
    schema: z.number().min(0.1).max(1024),
    fallback: 2,
    description: "CPU limit of a new project",
  },
  backup_isolation: {
    schema: z.enum(["shared", "per-host"]),
    fallback: "shared",
    description:
      "shared: one repository, so that like projects share their data, and every host can read all of it. per-host: each host has one of its own",
  },
  backup_path: {
    schema: z.string().regex(/^(\/[^\p{Cc}"\\]{1,400})?$/u, "an absolute path"),
    fallback: "",
    description: "Directory of the backup repository on the hub; empty: backup-repo in its data directory",
  },
  backup_every_minutes: {
    schema: z.number().int().min(0).max(10_080),
    fallback: 60,
    description: "How often a project that runs is backed up, minutes; 0: only when asked for",
  },
  backup_keep: {
    schema: z.string().regex(/^\d{1,3}h \d{1,3}d \d{1,3}w \d{1,3}m$/, "as 24h 7d 4w 6m"),
    fallback: "24h 7d 4w 6m",
    description: "Backups that are kept: hourly, daily, weekly and monthly ones",
  },
  backup_alarm_hours: {
    schema: z.number().int().min(1).max(8_760),
    fallback: 26,
    description: "Alarm when a project that was used has no proven backup younger than this, hours",
  },
  alarm_webhook: {
    schema: z.union([z.literal(""), z.url().max(500)]),
    fallback: "",
    description: "Address to which alarms are posted as JSON when they change",
  },
  alarm_mail: {
    schema: z.union([z.literal(""), z.email().max(200)]),
    fallback: "",
    description: "Address to which alarms are mailed with this machine's sendmail when they change",
  },
} as const;
export type SettingKey = keyof typeof DEFINITIONS;
type Value = string | number | boolean | null;

export interface Settings {
  get(
    key:
      | "hub_name"
      | "public_host"
      | "apps_wildcard"
      | "app_links"
      | "project_links"
      | "backup_isolation"
      | "backup_path"
      | "backup_keep"
      | "alarm_webhook"
      | "alarm_mail"
      | "ssh_jump",
  ): Promise<string>;
  /** What a schema cannot know: `judge` says what is wrong with a value that is to be set. */
  check(key: SettingKey, judge: (value: string | number | boolean | null) => string | undefined): void;
  lan(): Promise<"blocked" | "open">;
  /** Projects may run as plain processes beside each other. */
  processRuntime(): Promise<boolean>;
  number(
    key:
      | "default_memory_mb"
      | "default_cpus"
      | "max_memory_mb"
      | "max_cpus"
      | "default_disk_gb"
      | "max_disk_gb"
      | "idle_stop_minutes"
      | "backup_every_minutes"
      | "backup_alarm_hours",
  ): Promise<number>;
  list(caller: Caller): Promise<Setting[]>;
  set(caller: Caller, changes: Record<string, unknown>): Promise<Setting[]>;
}

export function createSettings(
  db: Db,
  deps: { config: Config; entries: ConfigEntry[]; audit: Audit; events: Events },
): Settings {
  const environment: Partial<Record<SettingKey, string>> = {
    ...(deps.config.public_host ? { public_host: deps.config.public_host } : {}),
    ...(deps.config.product === "plus" ? { hub_name: "CoCalc Plus" } : {}),
  };

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
        choices: definition.schema instanceof z.ZodEnum ? definition.schema.options.map(String) : null,
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
        choices: null,
        editable: false,
      });
    }
    return settings;
  }

  const checks = new Map<SettingKey, (value: Value) => string | undefined>();
  return {
    check: (key, judge) => void checks.set(key, judge),
    get: async (key) => String((await current(key)).value),
    lan: async () => ((await current("lan")).value === "open" ? "open" : "blocked"),
    processRuntime: async () =>
      deps.config.product === "plus" || (await current("dangerous_process_runtime")).value === "allowed",
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
        if (Number.isNaN(value)) {
          errors.push({ path: name, message: `“${raw}” is not a number` });
          continue;
        }
        const result = definition.schema.safeParse(value);
        const wrong = result.success ? checks.get(name as SettingKey)?.(result.data) : undefined;
        if (wrong !== undefined) errors.push({ path: name, message: wrong });
        else if (result.success) parsed.push([name as SettingKey, result.data]);
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
