/** The golden files show what is installed; to write them anew: UPDATE_GOLDEN=1 bun test src/host/units. */
import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CodedError } from "../../core/errors.ts";
import { renderUnits, type UnitOptions } from "./render.ts";

const GOLDEN = join(import.meta.dir, "golden");
const standard: UnitOptions = {
  roles: ["hub", "host"],
  hubUser: "cocalc",
  hostUser: "cocalc-host",
  hubRoot: "/var/lib/cocalc/.local/share/cocalc",
  hostRoot: "/var/lib/cocalc-host/.local/share/cocalc",
  helperRoot: "/usr/local/lib/cocalc",
  basePort: 9200,
  product: "launchpad",
};
const cases: Record<string, UnitOptions> = {
  hub: standard,
  "hub-of-a-person": { ...standard, hubUser: "ada", hubRoot: "/home/ada/.local/share/cocalc" },
  "host-of-a-person": {
    ...standard,
    roles: ["host"],
    hostUser: "ada",
    hostRoot: "/home/ada/.local/share/cocalc",
    basePort: 9400,
  },
};

for (const [name, options] of Object.entries(cases)) {
  test(`units of ${name} are the golden files`, () => {
    const dir = join(GOLDEN, name);
    const units = renderUnits(options);
    if (process.env.UPDATE_GOLDEN) {
      mkdirSync(dir, { recursive: true });
      for (const unit of units) writeFileSync(join(dir, unit.name), unit.text);
    }
    expect(units.map((unit) => unit.name).sort()).toEqual(readdirSync(dir).sort());
    for (const unit of units) {
      expect(unit.text).toBe(readFileSync(join(dir, unit.name), "utf8"));
      expect(unit.text).not.toMatch(/@[A-Z_]+@/);
    }
  });
}

test("what systemd would read in its own way is refused", () => {
  for (const value of ["/srv/a b", "/srv/%h", '/srv/"', "/srv/a\nExecStart=/bin/sh"]) {
    expect(() => renderUnits({ ...standard, hubRoot: value })).toThrow(CodedError);
    expect(() => renderUnits({ ...standard, publicHost: value })).toThrow(CodedError);
  }
});
