/** Runs every suite in its own time limit and sums what they say. Called by scripts/test. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { freemem, loadavg } from "node:os";
import { join, resolve } from "node:path";
import { Glob } from "bun";

const root = resolve(import.meta.dir, "..");
const only = process.argv[2];
const reports = join(root, ".cache/test");
/** Where test/fixtures/running-hub.ts leaves what a hub said. */
const hubLogs = join(reports, "hubs");
const TOLD_LINES = 40;
const LAST_LINES = 10;
/** More than so many files that fail are no accident, and do not run again. */
const MOST_AGAIN = 3;
/** Seconds. */
const LIMIT_AGAIN = 300;
const LIMIT_AGAIN_BOOT = 1_100;
const total = { passed: 0, failed: 0, skipped: 0 };
/** Files of tests of which not all passed. */
const failed: { name: string; counts: Counts }[] = [];
/** What was not all green, told again at the end: among a thousand lines nobody finds it. */
const troubles: string[] = [];

interface Suite {
  name: string;
  /** Seconds until it is ended and counted as failed. */
  limit: number;
  argv: string[];
  /** Folders of bun tests, or files, which no folder's suite runs then; without them the suite is one check. */
  tests?: string[];
}

/** One boot of the appliance, alone at the end: a machine that QEMU emulates has no time to spare. */
const APPLIANCE = "test/integration/appliance.test.ts";
const tsc = "node_modules/.bin/tsc";
const suites: Suite[] = [
  { name: "build", limit: 600, argv: ["scripts/build"] },
  { name: "types", limit: 300, argv: [tsc, "-p", "."] },
  { name: "lint", limit: 120, argv: ["node_modules/.bin/biome", "ci", "--error-on-warnings", "."] },
  { name: "dead-code", limit: 120, argv: ["node_modules/.bin/knip"] },
  { name: "docs", limit: 120, argv: ["bun", "scripts/docs.ts", "--check"] },
  { name: "shell", limit: 60, argv: ["scripts/check"] },
  { name: "installer", limit: 300, argv: ["bats", "test/install"] },
  { name: "unit", limit: 600, argv: [], tests: ["src"] },
  {
    name: "integration",
    limit: 3000,
    argv: [],
    tests: ["test/docs", "test/smoke", "test/conformance", "test/integration"],
  },
  { name: "browser", limit: 1800, argv: [], tests: ["test/browser"] },
  { name: "appliance", limit: 1_200, argv: [], tests: [APPLIANCE] },
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

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** What one process runs: unit tests are quick and share one. */
function groupsOf(tests: string): string[] {
  if (tests === "src") return [tests];
  if (tests.endsWith(".ts")) return [`./${tests}`];
  const cwd = join(root, tests);
  const files = existsSync(cwd) ? [...new Glob("**/*.test.{ts,tsx}").scanSync({ cwd })].sort() : [];
  return files.map((file) => `./${tests}/${file}`).filter((name) => name !== `./${APPLIANCE}`);
}

/** One process for each file: a suite that hangs or leaks takes no other with it. */
async function runTests(suite: Suite): Promise<void> {
  const end = Date.now() + suite.limit * 1000;
  for (const name of (suite.tests ?? []).flatMap(groupsOf)) {
    console.error(`\n=== ${suite.name}: ${name}`);
    const counts = await runGroup(name, Math.max(10, Math.round((end - Date.now()) / 1000)));
    if (counts.failed > 0) failed.push({ name, counts });
    else add(counts);
  }
}

/** @param limit seconds until it is ended and counted as failed */
async function runGroup(name: string, limit: number): Promise<Counts> {
  const report = join(reports, `${name.replaceAll(/[^a-z0-9]+/gi, "-")}.xml`);
  rmSync(report, { force: true });
  rmSync(hubLogs, { recursive: true, force: true });
  const began = Date.now();
  const code = await run(
    ["bun", "test", "--timeout", "120000", "--reporter=junit", `--reporter-outfile=${report}`, name],
    limit,
  );
  const counts = count(report, code, name);
  console.error(`=== ${name}: ${((Date.now() - began) / 1000).toFixed(0)} s`);
  return counts;
}

/**
 * What failed runs once more, when nothing else does: a machine that was too busy for it is told from a program that is
 * wrong. Both runs are told at the end.
 */
async function runAgain(): Promise<void> {
  for (const { name, counts } of failed) {
    if (failed.length > MOST_AGAIN) {
      add(counts);
      continue;
    }
    console.error(`\n=== again: ${name}`);
    const second = await runGroup(name, name.endsWith(APPLIANCE) ? LIMIT_AGAIN_BOOT : LIMIT_AGAIN);
    if (second.failed === 0) troubles.push(`${name}: passed when it ran again: it does not always pass`);
    add(second);
  }
}

function add(counts: Counts): void {
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skipped += counts.skipped;
}

function failedNames(report: string): string[] {
  const cases = readFileSync(report, "utf8").matchAll(
    /<testcase name="([^"]*)"[^>]*[^/]>\s*<failure(?: type="[^"]*")?(?: message="([^"]*)")?/g,
  );
  return [...cases].map(
    ([, name, why]) => `  failed: ${name}: ${(why ?? "").replaceAll("&#10;", " ").slice(0, 300)}`,
  );
}

/** What a failure that happens once in fifty runs is understood by: the machine then, and what the hubs complained of. */
function circumstances(): string[] {
  const disk = statfsSync(root);
  const gb = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  const lines = [
    `  then: load ${loadavg()[0]?.toFixed(1)}, ${gb(freemem())} memory and ${gb(disk.bavail * disk.bsize)} disk free`,
  ];
  for (const name of existsSync(hubLogs) ? readdirSync(hubLogs) : []) {
    const said = readFileSync(join(hubLogs, name), "utf8").split("\n");
    const complaints = said.filter((line) => /"level":"(warn|error)"|panic|segfault/i.test(line));
    lines.push(...said.slice(-LAST_LINES).map((line) => `  ${name}, last: ${line.slice(0, 300)}`));
    lines.push(...complaints.slice(-TOLD_LINES).map((line) => `  ${name}: ${line.slice(0, 400)}`));
  }
  return lines;
}

/** Reads the report of one process, and tells what was not all green. */
function count(report: string, code: number, name: string): Counts {
  const head = existsSync(report) ? /<testsuites[^>]*>/.exec(readFileSync(report, "utf8"))?.[0] : undefined;
  const number = (key: string) => Number(new RegExp(`\\b${key}="(\\d+)"`).exec(head ?? "")?.[1] ?? 0);
  const [tests, failures, skipped] = [number("tests"), number("failures"), number("skipped")];
  if (failures > 0) troubles.push(`${name}: ${failures} of ${tests} failed`, ...failedNames(report));
  if (failures > 0 || code !== 0) troubles.push(...circumstances());
  if (skipped > 0) troubles.push(`${name}: ${skipped} of ${tests} skipped`);
  // A crash, a time limit, or an error outside any test leaves no failure in the report.
  const broke = code !== 0 && failures === 0;
  if (broke) {
    console.error(`FAILED: ${name} ended with status ${code}`);
    troubles.push(`${name}: ended with status ${code}`);
  }
  return { passed: tests - failures - skipped, failed: failures + (broke ? 1 : 0), skipped };
}

/**
 * The appliance's disk, made while the other tests run, at the lowest priority; the test that boots it makes what is
 * missing. Only where that test will not be skipped.
 */
function beginDisk(): Promise<unknown> | undefined {
  if (process.getuid?.() !== 0 || process.arch !== "x64" || Bun.which("qemu-system-x86_64") === null) return;
  const log = Bun.file(join(reports, "appliance-disk.log"));
  return Bun.spawn(["nice", "-n", "19", "ionice", "-c", "3", "scripts/image", "--raw-only", "--no-install"], {
    cwd: root,
    env: { ...process.env, COCALC_TEST_CACHE: process.env.COCALC_TEST_CACHE ?? "/var/tmp/cocalc-test-cache" },
    stdin: "ignore",
    stdout: log,
    stderr: log,
  }).exited;
}

mkdirSync(reports, { recursive: true });
let disk: Promise<unknown> | undefined;
for (const suite of suites) {
  if (only !== undefined && only !== suite.name && !(suite.name === "build" && only !== "shell")) continue;
  const began = Date.now();
  if (suite.name === "appliance") await disk;
  if (suite.tests) await runTests(suite);
  else {
    console.error(`\n=== ${suite.name}`);
    const code = await run(suite.argv, suite.limit);
    if (code === 0) total.passed += 1;
    else {
      console.error(`FAILED: ${suite.name} ended with status ${code}`);
      troubles.push(`${suite.name}: ended with status ${code}`);
      total.failed += 1;
    }
  }
  console.error(`=== ${suite.name}: ${((Date.now() - began) / 1000).toFixed(0)} s`);
  // It needs the programs; nothing else builds then.
  if (suite.name === "build" && (only === undefined || only === "appliance")) disk = beginDisk();
}
await runAgain();
for (const trouble of troubles) console.error(`*** ${trouble}`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exit(total.failed > 0 ? 1 : 0);
