/**
 * One hub keeps a repository. Two can come to the same one: a hub was recovered elsewhere while it lived on, or its
 * directory was copied. Each would forget what the other made, since it is in its own database only. So the keeper
 * leaves a mark in the repository, writes it anew again and again with a word that nobody can guess, and knows by it
 * that no other was there: what is not its own last word was written by somebody else, who goes on alone. No clock
 * decides. The word is beside the database, not in it: an upgrade that goes back takes the database's copy of before.
 */
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { s3Store } from "../../contract/s3-store.ts";
import { CodedError, EX, messageOf, type ProblemDetails, toProblem } from "../../core/errors.ts";
import { randomToken } from "../../core/ids.ts";
import { logger } from "../../core/log.ts";
import { ensureDir } from "../../core/paths.ts";
import { readStateFile, writeFileAtomic, writeStateFile } from "../../core/state-file.ts";
import type { HubCore } from "../core.ts";
import { RECOVERED } from "./adopt.ts";
import type { OpenRepository } from "./repositories.ts";

const log = logger("backups");
export const OWNER = "owner";
/** A bucket is asked for money each time; before a prune it is written in any case. */
const S3_EVERY_MS = 3_600_000;
/** Another process of this hub may be writing it this moment. */
const LOOKS = 5;
const LOOK_MS = 200;
/** As files that hosts wrote: they can read it, and not change it. */
const MODE = 0o444;

const markSchema = z.object({ word: z.string(), machine: z.string(), directory: z.string(), at: z.string() });
type Mark = z.infer<typeof markSchema>;
/** `next` is written first, so that a hub that ends in between knows its own word. */
const mineSchema = z.object({ word: z.string().nullable(), next: z.string().nullable() });
type Mine = z.infer<typeof mineSchema>;

/** Pure. */
export const isOurs = (mark: Pick<Mark, "word">, mine: Mine | undefined): boolean =>
  mine !== undefined && (mark.word === mine.word || mark.word === mine.next);

export type Owners = ReturnType<typeof createOwners>;

export function createOwners(core: HubCore) {
  const { paths, leases } = core;
  const problems = new Map<string, ProblemDetails>();
  const written = new Map<string, number>();
  const file = (one: OpenRepository) => join(paths.dir, "backup-owner", `${one.repository_id}.json`);
  const mine = (one: OpenRepository) => readStateFile(file(one), (value) => mineSchema.parse(value));

  async function read(one: OpenRepository): Promise<Mark | undefined> {
    let text: string;
    if (one.where.kind === "s3") {
      const bucket = s3Store(one.where);
      if (!(await bucket.has(OWNER))) return undefined;
      text = Buffer.from(await bucket.read(OWNER)).toString();
    } else {
      if (!existsSync(join(one.location, OWNER))) return undefined;
      text = readFileSync(join(one.location, OWNER), "utf8");
    }
    try {
      return markSchema.parse(JSON.parse(text));
    } catch {
      // A host put it there before there was one, or the disk rots: it is nobody's of ours.
      return { word: "", machine: "an unknown machine", directory: "", at: "an unknown time" };
    }
  }

  async function write(one: OpenRepository, mark: Mark): Promise<void> {
    const text = `${JSON.stringify(mark)}\n`;
    if (one.where.kind === "s3") await s3Store(one.where).write(OWNER, text);
    else writeFileAtomic(join(one.location, OWNER), text, MODE);
  }

  function refusal(one: OpenRepository, mark: Mark): CodedError {
    return new CodedError({
      code: "backup.other-hub",
      title: `Another hub keeps the repository ${one.location}`,
      why: `One on ${mark.machine}${mark.directory ? `, in ${mark.directory},` : ""} wrote its mark there at ${mark.at}, and not this one. Two would each forget the other's backups, so this one leaves all as it is.`,
      fix: "If that hub was recovered from this one's backup or copied from its directory, stop one of the two. If it is this one that shall go on, take the repository over: the other is then refused.",
      command: "cocalc-hub backup take-over",
      status: 409,
      exit: EX.CONFIG,
    });
  }

  /** Its outcome is what alarms say of it. */
  async function noted<T>(one: OpenRepository, work: () => Promise<T>): Promise<T> {
    try {
      const result = await work();
      problems.delete(one.repository_id);
      return result;
    } catch (error) {
      const problem = toProblem(error);
      if (problem.code === "backup.other-hub") problems.set(one.repository_id, problem);
      throw error;
    }
  }

  async function alone<T>(one: OpenRepository, work: () => Promise<T>): Promise<T> {
    for (;;) {
      const lease = await leases.take(`owner:${one.repository_id}`);
      if (lease === undefined) {
        await Bun.sleep(LOOK_MS);
        continue;
      }
      try {
        return await work();
      } finally {
        await lease.release();
      }
    }
  }

  async function put(one: OpenRepository): Promise<void> {
    ensureDir(join(paths.dir, "backup-owner"));
    const before = mine(one);
    const next = randomToken();
    writeStateFile(file(one), { word: before?.word ?? null, next });
    await write(one, {
      word: next,
      machine: hostname(),
      directory: paths.dir,
      at: new Date().toISOString(),
    });
    // Another may have come between.
    const mark = await read(one);
    if (mark?.word !== next) throw refusal(one, mark ?? { word: "", machine: "?", directory: "", at: "?" });
    writeStateFile(file(one), { word: next, next: null });
    written.set(one.repository_id, performance.now());
  }

  /** Whoever said `recover` said that the other is lost. */
  const recovering = () => existsSync(join(paths.dir, RECOVERED));

  const takeOver = (one: OpenRepository) => noted(one, () => alone(one, () => put(one)));

  return {
    takeOver,
    problems: (): ProblemDetails[] => [...problems.values()],
    /** Before anything is changed there: writes the mark anew. Error `backup.other-hub`, and those of the storage. */
    async renew(one: OpenRepository): Promise<void> {
      await noted(one, () =>
        alone(one, async () => {
          const mark = await read(one);
          if (mark && !isOurs(mark, mine(one)) && !recovering()) throw refusal(one, mark);
          await put(one);
        }),
      );
    },
    /** The same now and then, as a sign of life for whoever comes with a copy of this hub. */
    async keep(one: OpenRepository): Promise<void> {
      const since = performance.now() - (written.get(one.repository_id) ?? -S3_EVERY_MS);
      if (one.where.kind === "s3" && since < S3_EVERY_MS) await this.assert(one);
      else await this.renew(one);
    },
    /** Before something is added. A storage that does not answer now is no reason: what is asked of it next says so. */
    async assert(one: OpenRepository): Promise<void> {
      await noted(one, async () => {
        for (let look = 1; ; look++) {
          let mark: Mark | undefined;
          try {
            mark = await read(one);
          } catch (error) {
            log.warn("the mark of the repository's owner cannot be read", { why: messageOf(error) });
            return;
          }
          // None: of a time before there were marks.
          if (mark === undefined || isOurs(mark, mine(one))) return;
          if (recovering()) return await takeOver(one);
          if (look === LOOKS) throw refusal(one, mark);
          await Bun.sleep(LOOK_MS);
        }
      });
    },
  };
}
