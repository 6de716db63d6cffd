/** The build itself: UI bundle, its list for embedding, and the two binaries. Called by scripts/build. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";

const [target = "native", force = "0"] = process.argv.slice(2);
const root = resolve(import.meta.dir, "..");
const dist = join(root, "dist");
const web = join(dist, "web");
const generated = join(root, "src/generated/web-assets.ts");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
const suffix = target === "native" ? "" : `-${target}`;

function walk(dir: string): string[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .sort()
    .flatMap((name) => {
      const path = join(dir, name);
      return statSync(path).isDirectory() ? walk(path) : [path];
    });
}

/** Everything a build depends on, as one hash. */
function inputs(): string {
  const hash = createHash("sha256");
  const files = [
    ...walk(join(root, "src")),
    join(root, "bun.lock"),
    join(root, "scripts/build.ts"),
    join(root, "scripts/base-image.sh"),
  ];
  for (const file of files) {
    if (file === generated || file.endsWith(".test.ts") || file.endsWith(".test.tsx")) continue;
    hash.update(relative(root, file)).update(readFileSync(file));
  }
  return hash.update(target).digest("hex");
}

async function buildWeb(): Promise<void> {
  rmSync(web, { recursive: true, force: true });
  const entry = join(root, "src/web/index.html");
  const assets: [string, string][] = [];
  if (existsSync(entry)) {
    const result = await Bun.build({
      entrypoints: [entry],
      outdir: web,
      minify: true,
      splitting: true,
      naming: { chunk: "[name]-[hash].[ext]", asset: "[name]-[hash].[ext]", entry: "[name]-[hash].[ext]" },
      publicPath: "/",
      define: { "process.env.NODE_ENV": '"production"' },
    });
    if (!result.success) throw new AggregateError(result.logs, "the UI does not build");
    for (const file of walk(web)) {
      const path = `/${relative(web, file)}`;
      assets.push([/^\/index-[a-z0-9]+\.html$/.test(path) ? "/index.html" : path, file]);
    }
  }
  mkdirSync(join(root, "src/generated"), { recursive: true });
  const imports = assets.map(
    ([, file], n) => `import a${n} from "../../${relative(root, file)}" with { type: "file" };`,
  );
  const entries = assets.map(([path], n) => `  ${JSON.stringify(path)}: a${n} as unknown as string,`);
  writeFileSync(
    generated,
    `// Made by scripts/build.\n// @ts-nocheck\n${imports.join("\n")}\n\nexport const webAssets: Record<string, string> = {\n${entries.join("\n")}\n};\n`,
  );
}

async function git(...args: string[]): Promise<string> {
  const proc = Bun.spawn(["git", ...args], { cwd: root, stdout: "pipe", stderr: "ignore" });
  const text = await new Response(proc.stdout).text();
  return (await proc.exited) === 0 ? text.trim() : "unknown";
}

async function buildBinary(name: string, commit: string): Promise<void> {
  const argv = [
    "bun",
    "build",
    "--compile",
    "--bytecode",
    "--minify",
    "--format=esm",
    // A compiled binary would else run the preload of a bunfig.toml in its working directory.
    "--no-compile-autoload-dotenv",
    "--no-compile-autoload-bunfig",
    "--define",
    `COCALC_VERSION=${JSON.stringify(version)}`,
    "--define",
    `COCALC_COMMIT=${JSON.stringify(commit)}`,
    "--define",
    'process.env.NODE_ENV="production"',
    ...(target === "native" ? [] : ["--target", `bun-${target}`]),
    "--outfile",
    join(dist, `${name}${suffix}`),
    join(root, `src/bin/${name}.ts`),
  ];
  const proc = Bun.spawn(argv, { cwd: root, stdout: "pipe", stderr: "inherit" });
  await new Response(proc.stdout).text();
  if ((await proc.exited) !== 0) throw new Error(`${name} does not build`);
}

const stamp = join(dist, `.built${suffix}`);
const key = inputs();
const names = ["cocalc-hub", "cocalc-project-host"];
const there = names.every((name) => existsSync(join(dist, name + suffix)));
if (force !== "1" && there && existsSync(stamp) && readFileSync(stamp, "utf8") === key) process.exit(0);
mkdirSync(dist, { recursive: true });
const began = Date.now();
await buildWeb();
const commit = await git("rev-parse", "--short=12", "HEAD");
for (const name of names) await buildBinary(name, commit);
writeFileSync(stamp, key);
console.error(`built dist/ in ${((Date.now() - began) / 1000).toFixed(1)} s`);
