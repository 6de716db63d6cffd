import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseAppPath } from "./app-path.ts";

const ID = "6f1c4e0a-1b2c-4d3e-8f90-a1b2c3d4e5f6";

test("takes what it should, raw", () => {
  expect(parseAppPath(`/${ID}/proxy/8000/a%2Fb?x=%20`)).toEqual({
    project_id: ID,
    kind: "proxy",
    target: { port: 8000 },
    prefix: `/${ID}/proxy/8000`,
    rest: "/a%2Fb?x=%20",
  });
  expect(parseAppPath(`/${ID}/port/80`)?.rest).toBe("");
  expect(parseAppPath(`/${ID}/port/80?q`)?.rest).toBe("/?q");
});

test("an app by its name", () => {
  expect(parseAppPath(`/${ID}/apps/jupyterlab/lab?x`)).toEqual({
    project_id: ID,
    kind: "apps",
    target: { app: "jupyterlab" },
    prefix: `/${ID}/apps/jupyterlab`,
    rest: "/lab?x",
  });
  for (const bad of ["", "A", "a_b", "-a", "a%62", `a${"b".repeat(32)}`, "a/../b", "a@evil"])
    expect(parseAppPath(`/${ID}/apps/${bad}/`)).toBeUndefined();
});

test("refuses what could lead elsewhere", () => {
  for (const bad of [
    `/${ID}/proxy/0/`,
    `/${ID}/proxy/65536/`,
    `/${ID}/proxy/08000/`,
    `/${ID}/proxy/8000x/`,
    `/${ID}/proxy/127.0.0.1:22/`,
    `/${ID}/proxy/8000@evil/`,
    `/${ID}/proxy/8000/../../x`,
    `/${ID}/proxy/8000/%2e%2e/x`,
    `/${ID}/proxy/8000/a%2f..%2fb`,
    `/${ID}/proxy/8000/.%2E`,
    `/${ID.toUpperCase()}/proxy/80/`,
    `//${ID}/proxy/80/`,
  ]) {
    expect(parseAppPath(bad)).toBeUndefined();
  }
});

test("whatever is accepted has a port in range and keeps its prefix", () => {
  fc.assert(
    fc.property(fc.string(), fc.nat(99_999), (tail, port) => {
      const parsed = parseAppPath(`/${ID}/proxy/${port}/${tail}`);
      if (!parsed) return true;
      const accepted = "port" in parsed.target ? parsed.target.port : 0;
      return (
        accepted >= 1 && accepted <= 65535 && parsed.prefix + parsed.rest === `/${ID}/proxy/${port}/${tail}`
      );
    }),
  );
});
