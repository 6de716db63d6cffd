/** A compiled binary still loads bunfig.toml (with `preload`!) and .env from where it is started, unless built not to. */
import { beforeAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildOnce, HOST_BINARY, HUB_BINARY } from "../fixtures/running-hub.ts";

beforeAll(buildOnce, 300_000);

for (const binary of [HUB_BINARY, HOST_BINARY]) {
  test(`${binary.split("/").pop()} obeys no bunfig.toml and no .env of the folder it starts in`, async () => {
    const dir = mkdtempSync(join(tmpdir(), "hostile-"));
    const owned = join(dir, "owned");
    writeFileSync(join(dir, "evil.js"), `require("fs").writeFileSync(${JSON.stringify(owned)}, "x");`);
    writeFileSync(join(dir, "bunfig.toml"), 'preload = ["./evil.js"]\n');
    writeFileSync(join(dir, ".env"), "COCALC_BASE_PORT=notaport\nCOCALC_LOG_LEVEL=debug\n");
    const proc = Bun.spawn([binary, "--version", "--json"], {
      cwd: dir,
      env: { PATH: "/usr/bin:/bin" },
      stdout: "pipe",
      stderr: "pipe",
    });
    const said = JSON.parse(await new Response(proc.stdout).text()) as Record<string, string>;
    expect(await proc.exited).toBe(0);
    expect(said.version).toMatch(/^\d+\.\d+\.\d+$/);
    expect(said.commit).toMatch(/^[0-9a-f]{7,}|unknown$/);
    expect(existsSync(owned)).toBe(false);
  });
}

test("config explain is not swayed by a hostile .env", async () => {
  const dir = mkdtempSync(join(tmpdir(), "hostile-"));
  writeFileSync(join(dir, ".env"), "COCALC_BASE_PORT=notaport\n");
  const proc = Bun.spawn([HUB_BINARY, "config", "explain", "--json"], {
    cwd: dir,
    env: { PATH: "/usr/bin:/bin" },
    stdout: "pipe",
    stderr: "pipe",
  });
  const entries = JSON.parse(await new Response(proc.stdout).text()) as {
    key: string;
    value: unknown;
    source: string;
  }[];
  expect(entries.find((one) => one.key === "base_port")).toMatchObject({ value: 9200, source: "default" });
});
