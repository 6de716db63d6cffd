import { expect, test } from "bun:test";
import { completions } from "./completions.ts";

const tree = {
  about: "the program",
  flags: ["--help"],
  commands: {
    host: {
      about: "Machines",
      flags: ["--help"],
      commands: { list: { about: "All of them, it's said", flags: ["--help", "--json"], commands: {} } },
    },
    user: { about: "People", flags: ["--help"], commands: {} },
  },
};

/** What bash itself would offer for these words. */
function complete(...typed: string[]): string[] {
  const script = `${completions("cocalc-x", tree).bash}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _cocalc_x; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const result = Bun.spawnSync(["bash", "-c", script, "bash", "cocalc-x", ...typed]);
  return result.stdout.toString().trim().split("\n");
}

test("bash offers commands, their commands, and flags; an id in between changes nothing", () => {
  expect(complete("")).toEqual(["host", "user", "--help"]);
  expect(complete("ho")).toEqual(["host"]);
  expect(complete("host", "")).toEqual(["list", "--help"]);
  expect(complete("host", "list", "--j")).toEqual(["--json"]);
  expect(complete("host", "list", "some-id", "--")).toEqual(["--help", "--json"]);
});

test("zsh and fish name every command; quotes are kept apart", () => {
  const { zsh, fish } = completions("cocalc-x", tree);
  expect(zsh.startsWith("#compdef cocalc-x\n")).toBe(true);
  expect(fish).toContain("-a 'list' -d 'All of them, it'\\''s said'");
});
