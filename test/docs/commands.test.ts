/** Every command that the docs tell a person to type exists, and takes the arguments that it is shown with. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Glob } from "bun";
import { root as hub } from "../../src/bin/cocalc-hub-commands.ts";
import { root as host } from "../../src/bin/cocalc-project-host-commands.ts";
import { checkCommand } from "../../src/core/cli.ts";

const ROOT = resolve(import.meta.dir, "../..");
const PROGRAM = /^(?:sudo )?(?:\S*\/)?(cocalc-hub|cocalc-project-host) (.+)$/;
const SCRIPT = /^(?:sudo )?\.?\/?(scripts\/[a-z-]+)( .*)?$/;

/** Lines of shell blocks, and code in the text that begins with one of our programs. */
function commandsOf(file: string): string[] {
  const text = readFileSync(join(ROOT, file), "utf8");
  const blocks = [...text.matchAll(/^```(?:sh|console|shell)\n(.*?)^```/gms)].flatMap((match) =>
    (match[1] ?? "").replaceAll("\\\n", " ").split("\n"),
  );
  const inline = [...text.replaceAll(/^```.*?^```/gms, "").matchAll(/`([^`\n]+)`/g)].map((match) => match[1]);
  return [...blocks, ...inline]
    .map((line) =>
      (line ?? "")
        .replace(/^[$#] /, "")
        .replace(/\s+#.*$/, "")
        .trim(),
    )
    .filter((line) => PROGRAM.test(line) || SCRIPT.test(line));
}

/** `[--json]` is shown as optional; `|`, `>` and `&&` lead to another command. */
function words(line: string): string[] {
  const own = line.split(/ (?:\||>|&&|;) /)[0] ?? "";
  return own
    .replaceAll(/[[\]]/g, "")
    .replaceAll("…", "")
    .split(/\s+/)
    .filter((word) => word !== "");
}

const files = ["README.md", "ARCHITECTURE.md", ...new Glob("docs/**/*.md").scanSync({ cwd: ROOT })]
  .filter((file) => !file.startsWith("docs/reference/"))
  .sort();

describe("commands in the docs", () => {
  for (const file of files) {
    const commands = [...new Set(commandsOf(file))];
    if (commands.length === 0) continue;
    test(`${file}: ${commands.length}`, async () => {
      const wrong: string[] = [];
      for (const line of commands) {
        const script = SCRIPT.exec(line);
        if (script) {
          const path = join(ROOT, script[1] ?? "");
          const flags = [...(script[2] ?? "").matchAll(/--[a-z-]+/g)].map((match) => match[0]);
          const source = existsSync(path) ? readFileSync(path, "utf8") : "";
          if (source === "") wrong.push(`${line}: there is no ${script[1]}`);
          for (const flag of flags) if (!source.includes(flag)) wrong.push(`${line}: no ${flag}`);
          continue;
        }
        const [, program, rest] = PROGRAM.exec(line) ?? [];
        const argv = words(rest ?? "");
        if (argv[0] === "--version" || argv.includes("--help")) continue;
        await checkCommand(program === "cocalc-hub" ? hub : host, argv).catch((error: Error) =>
          wrong.push(`${line}: ${error.message}`),
        );
      }
      expect(wrong).toEqual([]);
    });
  }
});
