/**
 * Writes docs/reference/: commands, configuration and error codes as they stand in the source. `--check` writes
 * nothing and fails when a page is not what it would write.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { root as hub } from "../src/bin/cocalc-hub-commands.ts";
import { root as host } from "../src/bin/cocalc-project-host-commands.ts";
import { CONFIG_KEYS } from "../src/core/config.ts";
import { DEFINITIONS } from "../src/hub/settings/settings.ts";
import { type CommandPage, commandPages } from "./docs/commands.ts";
import { errorCodes } from "./docs/error-codes.ts";

const root = resolve(import.meta.dir, "..");
const dir = join(root, "docs/reference");
const GENERATED = "<!-- Made by scripts/docs-pages from the source. -->\n\n";

const cell = (text: unknown) => String(text).replaceAll("|", "\\|").replaceAll(/\s+/g, " ");
const tableOf = (header: string[], rows: unknown[][]) =>
  [header, header.map(() => "---"), ...rows].map((row) => `| ${row.map(cell).join(" | ")} |`).join("\n");

function commandSection({ path, description, args }: CommandPage): string {
  const rows: string[][] = [];
  let line = path.join(" ");
  for (const [name, def] of Object.entries(args)) {
    // Every command takes them; said once above.
    if (name === "json" || name === "data-dir") continue;
    if (def.type === "positional") {
      line += def.required === false ? ` [${name}]` : ` <${name}>`;
      rows.push([`\`<${name}>\``, def.description ?? ""]);
      continue;
    }
    const negative = def.type === "boolean" && def.default === true;
    const hint =
      def.type === "boolean" || def.type === undefined
        ? ""
        : ` ${def.type === "enum" ? (def.options ?? []).join("\\|") : ("valueHint" in def && def.valueHint) || "VALUE"}`;
    const flag = `--${negative ? "no-" : ""}${name}${hint.replaceAll("\\|", "|")}`;
    const said = negative && "negativeDescription" in def ? def.negativeDescription : def.description;
    if (def.required === true) line += ` ${flag}`;
    rows.push([`\`${flag}\``, `${said ?? ""}${def.required === true ? " (required)" : ""}`]);
  }
  const table = rows.length > 0 ? `\n\n${tableOf(["argument", "means"], rows)}` : "";
  return `### \`${line}\`\n\n${description}.${table}`;
}

async function commands(): Promise<string> {
  const pages = [...(await commandPages(hub)), ...(await commandPages(host))];
  return `# Commands

Every command takes \`--help\`, \`--json\` (results as JSON; a failure as problem+json on stderr) and \`--data-dir DIR\` (where state lives, instead of \`~/.local/share/cocalc\`). Results go to stdout, talk to stderr; exit codes are those of sysexits(3).

${pages.map(commandSection).join("\n\n")}`;
}

function configuration(): string {
  const keys = Object.values(CONFIG_KEYS).map((one) => [
    `\`${one.env}\``,
    one.fallback ?? "none",
    one.description,
  ]);
  const settings = Object.entries(DEFINITIONS).map(([key, one]) => [
    `\`${key}\``,
    one.fallback === "" ? "none" : one.fallback,
    one.description,
  ]);
  return `# Configuration

Settings in the database are the truth; the environment gives defaults, and what must be known before the database opens. \`cocalc-hub config explain\` prints every value with its source.

## Environment

${tableOf(["variable", "default", "means"], keys)}

## Settings

On the Settings page, or \`cocalc-hub settings set KEY VALUE\`.

${tableOf(["key", "default", "means"], settings)}`;
}

function errors(): string {
  const groups = new Map<string, string[][]>();
  for (const { code, title, fix } of errorCodes(root)) {
    const group = code.split(".")[0] ?? "";
    // Outside of code, `<project_id>` would be an element.
    const plain = (text: string) => text.replaceAll("<", "\\<");
    groups.set(group, [...(groups.get(group) ?? []), [`\`${code}\``, plain(title), plain(fix)]]);
  }
  const sections = [...groups].map(
    ([group, rows]) => `## ${group}\n\n${tableOf(["code", "what happened", "what to do"], rows)}`,
  );
  return `# Error codes

Every failure has a code, the same in the browser, on the command line, in the API and in the log. An … stands for what is filled in when it happens.

${sections.join("\n\n")}`;
}

const pages = {
  "commands.md": await commands(),
  "configuration.md": configuration(),
  "errors.md": errors(),
};
const check = process.argv.includes("--check");
let stale = 0;
for (const [name, text] of Object.entries(pages)) {
  const file = join(dir, name);
  const wanted = `${GENERATED}${text}\n`;
  if ((existsSync(file) ? readFileSync(file, "utf8") : "") === wanted) continue;
  if (check) {
    console.error(`docs/reference/${name} is not what the source says: run scripts/docs-pages`);
    stale += 1;
    continue;
  }
  mkdirSync(dir, { recursive: true });
  writeFileSync(file, wanted);
  console.error(`wrote docs/reference/${name}`);
}
process.exit(stale > 0 ? 1 : 0);
