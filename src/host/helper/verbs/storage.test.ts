import { describe, expect, test } from "bun:test";
import { parseRequest } from "../server.ts";

const project_id = "11111111-2222-4333-8444-555555555555";
const name = "2026-11-25T01:02:03Z";
const refused = (verb: string, params: unknown): boolean => {
  try {
    parseRequest(JSON.stringify({ verb, params }));
    return false;
  } catch {
    return true;
  }
};

describe("storage verbs take ids, numbers and names alone", () => {
  test("what is meant", () => {
    expect(refused("snapshot.remove", { project_id, name })).toBe(false);
    expect(refused("snapshot.create", { project_id, kind: "manual", only_if_changed: false })).toBe(false);
    expect(refused("storage.set-quota", { project_id, bytes: 10 * 2 ** 30 })).toBe(false);
    expect(refused("storage.set-quota", { project_id, bytes: null })).toBe(false);
  });
  test("a path, a link's name, a flag where a name belongs", () => {
    for (const bad of ["..", "../x", "/etc", `${name}/..`, `${name}\0`, "-rf", ".all", "", `${name}\n`]) {
      expect([bad, refused("snapshot.remove", { project_id, name: bad })]).toEqual([bad, true]);
    }
    for (const bad of ["..", "*", "", `${project_id}/../x`, project_id.toUpperCase().replace("1", "A")]) {
      expect([bad, refused("snapshot.list", { project_id: bad })]).toEqual([bad, true]);
    }
  });
  test("a quota that is no number of bytes, and a field too many", () => {
    for (const bytes of [0, -1, 1.5, Number.MAX_SAFE_INTEGER, "10G"])
      expect([bytes, refused("storage.set-quota", { project_id, bytes })]).toEqual([bytes, true]);
    expect(refused("storage.facts", { path: "/" })).toBe(true);
    expect(refused("snapshot.create", { project_id, kind: "other", only_if_changed: false })).toBe(true);
  });
});
