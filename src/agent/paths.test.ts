import { expect, test } from "bun:test";
import { resolve } from "node:path";
import fc from "fast-check";
import { pathText } from "../contract/path-bytes.ts";
import { folderOf, joinPath, nameOf, resolvePath } from "./paths.ts";

test("resolves as node:path does, where that can be trusted", () => {
  const part = fc.constantFrom("..", ".", "", "a", "b c", "é");
  fc.assert(
    fc.property(fc.array(part), fc.boolean(), (parts, absolute) => {
      const path = (absolute ? "/" : "") + parts.join("/");
      expect(resolvePath("/home/user", path)).toBe(resolve("/home/user", path));
    }),
  );
  expect(resolvePath("/home/user", "~/x")).toBe("/home/user/x");
  expect(resolvePath("/home/user", "~")).toBe("/home/user");
  expect(resolvePath("/home/user", "~x")).toBe("/home/user/~x");
});

test("a name that is no UTF-8 stays itself", () => {
  const name = pathText(Uint8Array.of(0xff, 0x2e));
  const path = resolvePath("/h", `a/${name}`);
  expect(path).toBe(`/h/a/${name}`);
  expect(nameOf(path)).toBe(name);
  expect(joinPath(folderOf(path), nameOf(path))).toBe(path);
  expect(folderOf("/x")).toBe("/");
});
