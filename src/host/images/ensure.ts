/** Images on this host: fetched once from the hub, verified, unpacked by the helper. */
import { createHash } from "node:crypto";
import { createReadStream, existsSync, renameSync, rmSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { CodedError } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import { ensureDir } from "../../core/paths.ts";
import type { Helper } from "../helper/client.ts";
import type { HubLink } from "../link/link.ts";

const log = logger("images");
const JUST_ASKED_MS = 60 * 60_000;

export interface HostImages {
  /**
   * Digest of `name` (or the one it had before), unpacked here; of `system` what the machine's programs are now.
   * Errors: `image.not-ready`, `image.download-failed`, `image.system-…`.
   */
  ensure(name: string, digest: string | null): Promise<string>;
  /**
   * Takes away what was unpacked here and neither the hub names now nor a project of this host (`used`) has below its
   * changes. What was asked for within the last hour stays: a restore may be about to use it.
   */
  prune(named: string[], used: string[]): Promise<string[]>;
}

export function createHostImages(deps: { dir: string; helper: Helper; link: () => HubLink }): HostImages {
  ensureDir(deps.dir);
  const present = new Set<string>();
  const coming = new Map<string, Promise<void>>();
  const asked = new Map<string, number>();

  async function resolve(name: string): Promise<string> {
    const hello = await deps.link().refresh();
    const found = hello.images.find((one) => one.image === name);
    if (found) return found.digest;
    throw new CodedError({
      code: "image.not-ready",
      title: `The hub has no image ${name} yet`,
      why: "The base image is made when the hub starts for the first time; that takes about a minute.",
      fix: "Start the project again in a moment. If this lasts, the hub's log says why the image could not be made.",
      status: 503,
    });
  }

  async function bring(digest: string): Promise<void> {
    const { digests } = await deps.helper.call("image.list", {});
    if (!digests.includes(digest)) {
      const archive = join(deps.dir, `${digest}.tar.zst`);
      if (!existsSync(archive)) await download(digest, archive);
      await deps.helper.call("image.unpack", { digest });
      rmSync(archive, { force: true });
    }
    present.add(digest);
  }

  async function download(digest: string, archive: string): Promise<void> {
    const { url, init } = await deps.link().hubRequest(`/images/${digest}.tar.zst`);
    log.info("fetching an image from the hub", { digest });
    const fail = (why: string) =>
      new CodedError({
        code: "image.download-failed",
        title: "The root file system could not be fetched from the hub",
        why,
        fix: "Start the project again; see the way to the hub on the host's page.",
        status: 503,
      });
    const part = `${archive}.part`;
    const hash = createHash("sha256");
    // What came before a line was cut is not fetched again.
    const have = existsSync(part) ? statSync(part).size : 0;
    const headers = new Headers(init.headers);
    if (have > 0) headers.set("range", `bytes=${have}-`);
    const response = await fetch(url, { ...init, headers });
    if (response.status === 416) {
      rmSync(part, { force: true });
      throw fail("What had come before is longer than the image.");
    }
    if (!response.ok || !response.body) throw fail(`HTTP ${response.status}`);
    const goesOn = response.status === 206;
    if (goesOn) for await (const chunk of createReadStream(part)) hash.update(chunk as Uint8Array);
    const file = await open(part, goesOn ? "a" : "w", 0o600);
    try {
      for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
        hash.update(chunk);
        await file.appendFile(chunk);
      }
    } finally {
      await file.close();
    }
    if (hash.digest("hex") !== digest) {
      rmSync(part, { force: true });
      throw fail("What came does not have the right SHA-256.");
    }
    renameSync(part, archive);
  }

  return {
    async ensure(name, digest) {
      if (name === "system") {
        const own = await deps.helper.call("image.system", { make: true });
        // Of a machine there is one at a time: what a project began with is told by comparing.
        if (own.digest !== null) {
          asked.set(own.digest, Date.now());
          return own.digest;
        }
      }
      const wanted = digest ?? (await resolve(name));
      asked.set(wanted, Date.now());
      if (present.has(wanted)) return wanted;
      let work = coming.get(wanted);
      if (!work) {
        work = bring(wanted).finally(() => coming.delete(wanted));
        coming.set(wanted, work);
      }
      await work;
      return wanted;
    },
    async prune(named, used) {
      const keep = new Set([...named, ...used]);
      const removed: string[] = [];
      const { digests } = await deps.helper.call("image.list", {});
      for (const digest of digests) {
        if (keep.has(digest) || Date.now() - (asked.get(digest) ?? 0) < JUST_ASKED_MS) continue;
        present.delete(digest);
        if ((await deps.helper.call("image.remove", { digest })).removed) removed.push(digest);
      }
      if (removed.length > 0) log.info("images that nothing needs any more were removed", { removed });
      return removed;
    },
  };
}
