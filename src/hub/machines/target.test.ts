import { expect, test } from "bun:test";
import { CodedError } from "../../core/errors.ts";
import { parseTarget, targetText } from "./target.ts";

test("who and where, with and without a port", () => {
  expect(parseTarget(" ada@box.lab ")).toEqual({ user: "ada", host: "box.lab", port: 22 });
  expect(parseTarget("root@[fd00::7]:2222")).toEqual({ user: "root", host: "fd00::7", port: 2222 });
  expect(targetText(parseTarget("root@[fd00::7]"))).toBe("root@[fd00::7]:22");
});

test("nothing that ssh or a shell would read otherwise gets through", () => {
  for (const bad of [
    "box.lab",
    "@box",
    "root@",
    "-oProxyCommand=id@box",
    "root@-oProxyCommand=id",
    "ro ot@box",
    "root@box;id",
    "root@box:0",
    "root@box:65536",
    "root@$(id)",
    "a@b@c",
    "root@fd00::7",
  ]) {
    let code = "taken";
    try {
      parseTarget(bad);
    } catch (error) {
      if (error instanceof CodedError) code = error.code;
    }
    expect([bad, code]).toEqual([bad, "machine.bad-target"]);
  }
});
