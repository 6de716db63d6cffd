/**
 * What hub and jobs themselves ask of a bucket: rustic neither looks at the bytes of one file nor moves one away, and it
 * begins with a HEAD, whose refusal has no body and so no cause. Names are below the repository, as on a disk:
 * `index/…`, `snapshots/…`.
 */
import { createHash } from "node:crypto";
import { S3Client } from "bun";
import { CodedError, EX, messageOf } from "../core/errors.ts";
import type { BackupTarget } from "./api-backups.ts";
import { causeOf } from "./repository-causes.ts";

export type S3Target = Extract<BackupTarget, { kind: "s3" }>;
export interface S3Object {
  name: string;
  size: number;
  modified: number;
}
export type S3Store = ReturnType<typeof s3Store>;

/** A server that is silent must not hold up the hub's round. */
const TIMEOUT_MS = 30_000;
/** Of one file that goes out and back whole: a pack over a slow line. */
const MOVE_TIMEOUT_MS = 300_000;
const PAGE = 1_000;

/** A path of a bucket without slashes at its ends. Pure. */
export const trimmed = (path: string): string => path.split("/").filter(Boolean).join("/");

function told(error: unknown, where: S3Target): CodedError {
  const code = (error as { code?: unknown }).code;
  const why = [typeof code === "string" ? code : "", messageOf(error)].filter(Boolean).join(": ");
  const known = causeOf(why);
  return new CodedError(
    {
      code: "backup.s3-failed",
      title: `The storage at ${where.endpoint} did not do what was asked`,
      fix: "See whether it answers, and whether the bucket, the region and the keys are right.",
      ...known,
      why,
      status: 502,
      exit: EX.TEMPFAIL,
    },
    { cause: error },
  );
}

/** Errors: `backup.s3-no-bucket`, `backup.s3-keys-refused`, `backup.s3-clock`, `backup.unreachable`, `backup.s3-failed`. */
export function s3Store(where: S3Target) {
  const prefix = trimmed(where.root);
  const key = (name: string) => `${prefix}/${name}`;
  const client = new S3Client({
    endpoint: where.endpoint,
    region: where.region,
    bucket: where.bucket,
    accessKeyId: where.access_key_id,
    secretAccessKey: where.secret_access_key,
  });
  async function limited<T>(work: () => Promise<T>, ms = TIMEOUT_MS): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`Connection timed out: no answer in ${ms / 1000} s`)), ms);
    });
    try {
      return await Promise.race([work(), late]);
    } finally {
      clearTimeout(timer);
    }
  }
  async function asked<T>(work: () => Promise<T>, ms?: number): Promise<T> {
    try {
      return await limited(work, ms);
    } catch (error) {
      throw told(error, where);
    }
  }
  const read = (name: string): Promise<Uint8Array> => asked(() => client.file(key(name)).bytes());
  const write = (name: string, bytes: Uint8Array | string) => asked(() => client.write(key(name), bytes));
  const remove = (name: string) => asked(() => client.delete(key(name)));

  return {
    read,
    write,
    async has(name: string): Promise<boolean> {
      return await asked(() => client.exists(key(name)));
    },
    /** All below a folder of the repository. */
    async list(folder: string): Promise<S3Object[]> {
      const found: S3Object[] = [];
      for (let after: string | undefined; ; ) {
        const page = await asked(() =>
          client.list({
            prefix: `${key(folder)}/`,
            maxKeys: PAGE,
            ...(after === undefined ? {} : { startAfter: after }),
          }),
        );
        for (const one of page.contents ?? []) {
          found.push({
            name: one.key.slice(prefix.length + 1),
            size: one.size ?? 0,
            modified: Date.parse(one.lastModified ?? "") || 0,
          });
          after = one.key;
        }
        if (page.isTruncated !== true) return found;
      }
    },
    /** Where nothing of rustic looks. */
    async putAside(name: string, to: string): Promise<void> {
      await asked(
        async () => await client.write(key(to), await client.file(key(name)).bytes()),
        MOVE_TIMEOUT_MS,
      );
      await remove(name);
    },
    /** Of a file of any size: in pieces, each of which must come in time. */
    async sha256(name: string): Promise<string> {
      const hash = createHash("sha256");
      const reader = client.file(key(name)).stream().getReader();
      try {
        for (;;) {
          const { done, value } = await asked(() => reader.read());
          if (done) return hash.digest("hex");
          hash.update(value);
        }
      } finally {
        await reader.cancel().catch(() => {});
      }
    },
    /** That a repository is there and opens to these keys, by a GET. Error also `backup.s3-no-repository`. */
    async check(): Promise<void> {
      try {
        await limited(() => client.file(key("config")).bytes());
      } catch (error) {
        if ((error as { code?: unknown }).code !== "NoSuchKey") throw told(error, where);
        throw new CodedError(
          {
            code: "backup.s3-no-repository",
            title: `There is no repository in ${where.bucket}/${prefix}`,
            why: "Its file “config” is gone, or the keys are of another account.",
            fix: "See in the bucket what became of it; without it nothing can be read.",
            exit: EX.DATAERR,
          },
          { cause: error },
        );
      }
    },
    /** All that backups ask of a bucket: written, listed, read and removed. */
    async probe(name: string): Promise<void> {
      await write(name, name);
      const back = Buffer.from(await read(name)).toString();
      await remove(name);
      if (back === name) return;
      throw told(new Error("What was written did not come back as it was."), where);
    },
  };
}
