/** Prints a CycloneDX 1.5 list of what the programs contain: the packages of bun.lock that are not for development, and Bun. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dir, "..");

interface Manifest {
  name: string;
  version: string;
  packageManager: string;
  dependencies?: Record<string, string>;
}
interface Lock {
  /** `["name@version", registry, {dependencies…}, integrity]` by the path below node_modules. */
  packages: Record<string, [string, string, Dependencies, string?]>;
}
interface Dependencies {
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
}

const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Manifest;
// bun.lock is JSON with trailing commas.
const lock = JSON.parse(
  readFileSync(join(root, "bun.lock"), "utf8").replaceAll(/,(\s*[}\]])/g, "$1"),
) as Lock;

/** Where Node's rule finds `name` from `from`: the nearest entry up the path. */
function resolvePackage(from: string, name: string): string | undefined {
  const parts = from === "" ? [] : from.split("/");
  for (let depth = parts.length; depth >= 0; depth--) {
    const key = [...parts.slice(0, depth), name].join("/");
    if (key in lock.packages) return key;
  }
  return undefined;
}

const reached = new Set<string>();
const queue = Object.keys(manifest.dependencies ?? {}).map((name) => ({ from: "", name }));
for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
  const key = resolvePackage(next.from, next.name);
  if (key === undefined || reached.has(key)) continue;
  reached.add(key);
  const [, , needs] = lock.packages[key] ?? ["", "", {}];
  for (const name of Object.keys({ ...needs.dependencies, ...needs.peerDependencies }))
    queue.push({ from: key, name });
}

const components = [...reached].sort().map((key) => {
  const [id = "", , , integrity] = lock.packages[key] ?? [];
  const at = String(id).lastIndexOf("@");
  const [name, version] = [String(id).slice(0, at), String(id).slice(at + 1)];
  const sha512 = /^sha512-(.+)$/.exec(integrity ?? "")?.[1];
  return {
    type: "library",
    "bom-ref": `pkg:npm/${name.replace("@", "%40")}@${version}`,
    name,
    version,
    purl: `pkg:npm/${name.replace("@", "%40")}@${version}`,
    ...(sha512
      ? { hashes: [{ alg: "SHA-512", content: Buffer.from(sha512, "base64").toString("hex") }] }
      : {}),
  };
});
const bun = manifest.packageManager.replace("bun@", "");
process.stdout.write(
  `${JSON.stringify(
    {
      bomFormat: "CycloneDX",
      specVersion: "1.5",
      version: 1,
      metadata: {
        component: {
          type: "application",
          "bom-ref": "cocalc-launchpad",
          name: manifest.name,
          version: manifest.version,
        },
      },
      components: [
        {
          type: "framework",
          "bom-ref": `pkg:npm/bun@${bun}`,
          name: "bun",
          version: bun,
          purl: `pkg:npm/bun@${bun}`,
        },
        ...components.filter((one, at) => components.findIndex((other) => other.purl === one.purl) === at),
      ],
      dependencies: [{ ref: "cocalc-launchpad", dependsOn: components.map((one) => one.purl) }],
    },
    null,
    1,
  )}\n`,
);
