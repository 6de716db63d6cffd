/** Images on this host: fetched once from the hub, verified, unpacked by the helper. */
import { createHash } from "node:crypto";
import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { CodedError } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import { ensureDir } from "../../core/paths.ts";
import type { Helper } from "../helper/client.ts";
import type { HubLink } from "../link/link.ts";

const log = logger("images");

export interface HostImages {
  /** Digest of `name` (or the one it had before), unpacked here. Errors: `image.not-ready`, `image.download-failed`. */
  ensure(name: string, digest: string | null): Promise<string>;
}

export function createHostImages(deps: { dir: string; helper: Helper; link: () => HubLink }): HostImages {
  ensureDir(deps.dir);
  const present = new Set<string>();
  const coming = new Map<string, Promise<void>>();

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
    const response = await fetch(url, init);
    if (!response.ok || !response.body) throw fail(`HTTP ${response.status}`);
    const part = `${archive}.part`;
    const hash = createHash("sha256");
    const writer = Bun.file(part).writer();
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      hash.update(chunk);
      writer.write(chunk);
      await writer.flush();
    }
    await writer.end();
    if (hash.digest("hex") !== digest) {
      rmSync(part, { force: true });
      throw fail("What came does not have the right SHA-256.");
    }
    renameSync(part, archive);
  }

  return {
    async ensure(name, digest) {
      const wanted = digest ?? (await resolve(name));
      if (present.has(wanted)) return wanted;
      let work = coming.get(wanted);
      if (!work) {
        work = bring(wanted).finally(() => coming.delete(wanted));
        coming.set(wanted, work);
      }
      await work;
      return wanted;
    },
  };
}
