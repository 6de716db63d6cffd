/**
 * What must be known before the database opens; everything else is an admin setting, for which the environment only
 * gives the default. Each value carries its source; an unknown COCALC_* variable is named with its nearest neighbour.
 */
import { z } from "zod";
import { CodedError, EX } from "./errors.ts";
import { nearest } from "./nearest.ts";
import { DEFAULT_BASE_PORT, MAX_BASE_PORT, MIN_BASE_PORT } from "./ports.ts";

export const PRODUCTS = ["plus", "launchpad", "rocket"] as const;

/** Every key: its variable, how it is read, and what it means. */
export const CONFIG_KEYS = {
  product: {
    env: "COCALC_PRODUCT",
    schema: z.enum(PRODUCTS),
    fallback: "launchpad",
    description: "What is run: plus (one person), launchpad (a team), rocket (an organisation)",
  },
  data_dir: {
    env: "COCALC_DATA_DIR",
    schema: z.string().min(1),
    fallback: null,
    description: "The hub's own directory; --data-dir on a command wins",
  },
  base_port: {
    env: "COCALC_BASE_PORT",
    schema: z.coerce.number().int().min(MIN_BASE_PORT).max(MAX_BASE_PORT),
    fallback: DEFAULT_BASE_PORT,
    description:
      "HTTPS; all other ports follow from it (base+1 SSH, base+2 apps, base+3 and +4 loopback, base+10…+73 one for each project, base+100 and up SSH of hosts, base−198 host)",
  },
  public_host: {
    env: "COCALC_PUBLIC_HOST",
    schema: z
      .string()
      .regex(/^[A-Za-z0-9.:-]{1,253}$/, "a host name or an address, without https:// and without a port"),
    fallback: null,
    description: "Name or address by which people and machines reach the hub, beside those found by itself",
  },
  master_key: {
    env: "COCALC_MASTER_KEY",
    schema: z.string().min(1),
    fallback: null,
    description: "32 bytes, base64url: seals stored secrets; made in secrets/master.key otherwise",
    secret: true,
  },
  log_level: {
    env: "COCALC_LOG_LEVEL",
    schema: z.enum(["info", "debug"]),
    fallback: "info",
    description: "info or debug",
  },
  url: {
    env: "COCALC_URL",
    schema: z.url(),
    fallback: null,
    description: "For the command line: a hub elsewhere",
  },
  api_key: {
    env: "COCALC_API_KEY",
    schema: z.string().min(1),
    fallback: null,
    description: "For the command line: acts as this key's user",
    secret: true,
  },
} as const;

export type ConfigKey = keyof typeof CONFIG_KEYS;
export interface Config {
  product: (typeof PRODUCTS)[number];
  data_dir: string | null;
  base_port: number;
  public_host: string | null;
  master_key: string | null;
  log_level: "info" | "debug";
  url: string | null;
  api_key: string | null;
}
export type ConfigSource = "default" | "environment" | "flag";
export interface ConfigEntry {
  key: string;
  env: string;
  value: string | number | null;
  source: ConfigSource;
  description: string;
}

export interface LoadedConfig {
  config: Config;
  entries: ConfigEntry[];
  /** About variables that nothing reads. */
  warnings: string[];
}

/** Flags win over the environment, the environment over defaults. Errors: `config.invalid`, naming the key. */
export function loadConfig(
  env: Record<string, string | undefined>,
  flags: Partial<Record<ConfigKey, string | undefined>> = {},
): LoadedConfig {
  const values: Record<string, unknown> = {};
  const entries: ConfigEntry[] = [];
  for (const [key, spec] of Object.entries(CONFIG_KEYS)) {
    const flag = flags[key as ConfigKey];
    const fromEnv = env[spec.env];
    const source: ConfigSource = flag !== undefined ? "flag" : fromEnv ? "environment" : "default";
    const raw = source === "flag" ? flag : source === "environment" ? fromEnv : undefined;
    let value: string | number | null = spec.fallback;
    if (raw !== undefined) {
      const parsed = spec.schema.safeParse(raw);
      if (!parsed.success) {
        const name = source === "flag" ? `--${key.replaceAll("_", "-")}` : spec.env;
        const secret = "secret" in spec;
        throw new CodedError({
          code: "config.invalid",
          title: `${name} cannot be ${secret ? "that" : `“${raw}”`}`,
          why: parsed.error.issues.map((issue) => issue.message).join("; "),
          fix: `${name}: ${spec.description}.`,
          exit: source === "flag" ? EX.USAGE : EX.CONFIG,
        });
      }
      value = parsed.data;
    }
    values[key] = value;
    const shown = "secret" in spec && value !== null ? "[set]" : value;
    entries.push({ key, env: spec.env, value: shown, source, description: spec.description });
  }
  return { config: values as unknown as Config, entries, warnings: unknownVariables(env) };
}

/** Read by other parts than {@link loadConfig}, or set by us for children. */
const OTHERS = [
  "COCALC_AGENT_TOKEN",
  "COCALC_AGENT_SOCKET",
  "COCALC_PROJECT_ID",
  "COCALC_PROJECT_DIR",
  "COCALC_TEST_CACHE",
];

function unknownVariables(env: Record<string, string | undefined>): string[] {
  const known = [...Object.values(CONFIG_KEYS).map((spec) => spec.env as string), ...OTHERS];
  return Object.keys(env)
    .filter((name) => name.startsWith("COCALC_") && !known.includes(name))
    .map((name) => {
      const near = nearest(name, known);
      return `${name} is not a setting of ours${near ? `; did you mean ${near}?` : ""}`;
    });
}
