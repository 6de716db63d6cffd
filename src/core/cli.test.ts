import { expect, spyOn, test } from "bun:test";
import { afterDashes, checkArgs, command, common, runCli } from "./cli.ts";
import { CodedError } from "./errors.ts";

let seen: unknown;
const root = command({
  meta: { name: "tool" },
  subCommands: {
    project: command({
      meta: { name: "project" },
      subCommands: {
        exec: async () =>
          command({
            meta: { name: "exec", description: "Runs" },
            args: { ...common, id: { type: "positional", description: "The project" } },
            run({ args, rawArgs }) {
              seen = { id: args.id, json: args.json, rest: afterDashes(rawArgs) };
            },
          }),
      },
    }),
  },
});
const run = (...argv: string[]) => runCli(root, argv, { version: "1", commit: "c" });

test("what follows -- is left alone", async () => {
  expect(await run("project", "exec", "p1", "--json", "--", "ls", "--json", "-x")).toBe(0);
  expect(seen).toEqual({ id: "p1", json: true, rest: ["ls", "--json", "-x"] });
});

test("help names the whole command, and has no colours where nobody looks at it", async () => {
  const written = spyOn(process.stdout, "write").mockReturnValue(true);
  const terminal = process.stdout.isTTY;
  try {
    process.stdout.isTTY = false;
    expect(await run("project", "exec", "--help")).toBe(0);
    const text = String(written.mock.calls[0]?.[0]);
    expect(text).toContain("USAGE tool project exec [OPTIONS] <ID>");
    expect(text).toBe(Bun.stripANSI(text));
  } finally {
    process.stdout.isTTY = terminal;
    written.mockRestore();
  }
});

test("mistakes end with 64", async () => {
  expect(await run("projct")).toBe(64);
  expect(await run("project", "exec", "p1", "--jsn")).toBe(64);
  expect(await run("project", "exec")).toBe(64);
  expect(await run("project", "exec", "a", "b")).toBe(64);
  expect(await run("project")).toBe(64);
});

test("a suggestion names what was meant", () => {
  const problem = (() => {
    try {
      checkArgs("tool", ["--data-dri", "x"], common);
    } catch (error) {
      return error instanceof CodedError ? error.details : undefined;
    }
  })();
  expect(problem?.fix).toContain("--data-dir");
  expect(() => checkArgs("tool", ["--data-dir"], common)).toThrow("needs a value");
});
