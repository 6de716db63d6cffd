import { expect, test } from "bun:test";
import { CodedError } from "./errors.ts";
import { installerArgs } from "./upgrade-command.ts";

test("what the installer is told", () => {
  expect(installerArgs({})).toEqual([]);
  expect(installerArgs({ from: "/tmp/r", version: "2.0.0" })).toEqual([
    "--offline",
    "/tmp/r",
    "--version",
    "2.0.0",
  ]);
  expect(installerArgs({ rollback: true })).toEqual(["--rollback"]);
  expect(() => installerArgs({ rollback: true, from: "/tmp/r" })).toThrow(CodedError);
});
