/** Runs every suite in its own time limit and sums what they say. Called by scripts/test. */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { Glob } from "bun";

const root = resolve(import.meta.dir, "..");
const only = process.argv[2];
const reports = join(root, ".cache/test");
const total = { passed: 0, failed: 0, skipped: 0 };

interface Suite {
  name: string;
  /** Seconds until it is ended and counted as failed. */
  limit: number;
  argv: string[];
  /** Folders of bun tests; without them the suite is one check. */
  tests?: string[];
}

const tsc = "node_modules/.bin/tsc";
const suites: Suite[] = [
  { name: "build", limit: 300, argv: ["scripts/build"] },
  { name: "types", limit: 180, argv: [tsc, "-p", "."] },
  { name: "lint", limit: 120, argv: ["node_modules/.bin/biome", "ci", "--error-on-warnings", "."] },
  { name: "dead-code", limit: 120, argv: ["node_modules/.bin/knip"] },
  { name: "shell", limit: 60, argv: ["scripts/check"] },
  { name: "unit", limit: 300, argv: [], tests: ["src"] },
  {
    name: "integration",
    limit: 1500,
    argv: [],
    tests: ["test/smoke", "test/conformance", "test/integration"],
  },
  { name: "browser", limit: 900, argv: [], tests: ["test/browser"] },
];

async function run(argv: string[], limit: number): Promise<number> {
  const proc = Bun.spawn(argv, { cwd: root, stdin: "ignore", stdout: "inherit", stderr: "inherit" });
  const timer = setTimeout(() => {
    console.error(`ended after ${limit} s: ${argv.join(" ")}`);
    proc.kill("SIGTERM");
    setTimeout(() => proc.kill("SIGKILL"), 10_000);
  }, limit * 1000);
  const code = await proc.exited;
  clearTimeout(timer);
  return code;
}

/** One process for each file: a suite that hangs or leaks takes no other with it. */
async function runTests(suite: Suite): Promise<void> {
  const end = Date.now() + suite.limit * 1000;
  for (const folder of suite.tests ?? []) {
    const files = existsSync(join(root, folder))
      ? [...new Glob("**/*.test.{ts,tsx}").scanSync({ cwd: join(root, folder) })].sort()
      : [];
    // Unit tests are quick and share one process.
    const groups =
      folder === "src" ? (files.length > 0 ? [["src"]] : []) : files.map((file) => [`./${folder}/${file}`]);
    for (const group of groups) {
      const report = join(reports, `${group[0]?.replaceAll(/[^a-z0-9]+/gi, "-")}.xml`);
      rmSync(report, { force: true });
      const left = Math.max(10, Math.round((end - Date.now()) / 1000));
      console.error(`\n=== ${suite.name}: ${group.join(" ")}`);
      const code = await run(
        ["bun", "test", "--timeout", "120000", "--reporter=junit", `--reporter-outfile=${report}`, ...group],
        left,
      );
      count(report, code, group.join(" "));
    }
  }
}

function count(report: string, code: number, name: string): void {
  const head = existsSync(report) ? /<testsuites[^>]*>/.exec(readFileSync(report, "utf8"))?.[0] : undefined;
  const number = (key: string) => Number(new RegExp(`\\b${key}="(\\d+)"`).exec(head ?? "")?.[1] ?? 0);
  const [tests, failures, skipped] = [number("tests"), number("failures"), number("skipped")];
  total.passed += tests - failures - skipped;
  total.failed += failures;
  total.skipped += skipped;
  // A crash, a time limit, or an error outside any test leaves no failure in the report.
  if (code !== 0 && failures === 0) {
    console.error(`FAILED: ${name} ended with status ${code}`);
    total.failed += 1;
  }
}

mkdirSync(reports, { recursive: true });
for (const suite of suites) {
  if (only !== undefined && only !== suite.name && !(suite.name === "build" && only !== "shell")) continue;
  const began = Date.now();
  if (suite.tests) await runTests(suite);
  else {
    console.error(`\n=== ${suite.name}`);
    const code = await run(suite.argv, suite.limit);
    if (code === 0) total.passed += 1;
    else {
      console.error(`FAILED: ${suite.name} ended with status ${code}`);
      total.failed += 1;
    }
  }
  console.error(`=== ${suite.name}: ${((Date.now() - began) / 1000).toFixed(0)} s`);
}
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed > 0 ? 1 : 0);
