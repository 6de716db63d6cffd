import { expect, test } from "bun:test";
import { CONFIG_KEYS, loadConfig } from "./config.ts";

test("flags win over the environment, the environment over defaults, and each says so", () => {
  const { config, entries } = loadConfig(
    { COCALC_BASE_PORT: "9300", COCALC_PRODUCT: "plus" },
    { product: "launchpad" },
  );
  expect(config.base_port).toBe(9300);
  expect(config.product).toBe("launchpad");
  expect(entries.find((entry) => entry.key === "product")?.source).toBe("flag");
  expect(entries.find((entry) => entry.key === "base_port")?.source).toBe("environment");
  expect(entries.find((entry) => entry.key === "public_host")?.source).toBe("default");
});

test("a bad value names its key; a secret's value is never shown", () => {
  expect(() => loadConfig({ COCALC_BASE_PORT: "80" })).toThrow("COCALC_BASE_PORT");
  expect(() => loadConfig({}, { base_port: "x" })).toThrow("--base-port");
  expect(JSON.stringify(loadConfig({ COCALC_MASTER_KEY: "hush" }).entries)).not.toContain("hush");
});

test("an unknown variable is named with its nearest", () => {
  expect(loadConfig({ COCALC_PRODUKT: "plus" }).warnings).toEqual([
    "COCALC_PRODUKT is not a setting of ours; did you mean COCALC_PRODUCT?",
  ]);
  expect(Object.keys(CONFIG_KEYS).length).toBeLessThanOrEqual(25);
});
