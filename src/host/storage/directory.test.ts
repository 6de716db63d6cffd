import { afterAll, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asRoot } from "../helper/privilege.ts";
import { DirectoryStorage } from "./directory.ts";

const root = mkdtempSync(join(tmpdir(), "directory-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const ID = "11111111-2222-4333-8444-555555555555";

/** One whose process ends before, or with, its command number `last`. */
function storage(last = Number.POSITIVE_INFINITY, midway = false): DirectoryStorage {
  let calls = 0;
  const execOk: typeof asRoot.execOk = async (argv, options) => {
    calls += 1;
    if (calls > last || (calls === last && !midway)) throw new Error("killed");
    const said = await asRoot.execOk(argv, options);
    if (calls === last) throw new Error("killed");
    return said;
  };
  return new DirectoryStorage({
    root,
    check: (path) => path,
    privilege: () => ({ ...asRoot, execOk }),
    note: "",
  });
}

const PARTS = ["home", "upper"] as const;
const fill = (dir: string, text: string) => {
  for (const part of PARTS) {
    mkdirSync(join(dir, part), { recursive: true });
    writeFileSync(join(dir, part, "file"), text);
  }
};

test("a restore's swap that is cut off anywhere is what was or what came, whole, and the next one works", async () => {
  let cut = 0;
  for (const midway of [false, true])
    for (let last = 1; ; last++) {
      const what = `${midway ? "after" : "before"} command ${last}`;
      rmSync(join(root, ID), { recursive: true, force: true });
      const { dir } = await storage().create(ID);
      fill(dir, "old");
      mkdirSync(join(dir, "work"));
      fill(await storage().stage(ID), "new");
      const ended = await storage(last, midway)
        .promote(ID)
        .then(
          () => true,
          () => false,
        );
      if (!ended) cut += 1;
      // Whoever uses the project next.
      await storage().create(ID);
      const [home, upper] = PARTS.map((part) => readFileSync(join(dir, part, "file"), "utf8"));
      expect([what, home, upper]).toEqual([what, home, home]);
      expect(readdirSync(dir).filter((name) => ["arriving", "replaced"].includes(name))).toEqual([]);
      expect(existsSync(join(dir, "work")) && home === "new").toBe(false);
      fill(await storage().stage(ID), "newer");
      await storage().promote(ID);
      expect(readFileSync(join(dir, "home/file"), "utf8")).toBe("newer");
      if (ended) break;
    }
  expect(cut).toBeGreaterThan(8);
});
