/**
 * The repositories: one for all hosts, or one for each. The hub makes them, holds their passwords sealed, and is the
 * only one that ever removes anything from them.
 */

import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import PQueue from "p-queue";
import type { BackupTarget } from "../../contract/api-backups.ts";
import { backupTargetSchema } from "../../contract/api-backups.ts";
import type { Repository } from "../../contract/backup-job.ts";
import { causeOf, killed, whatItSaid } from "../../contract/repository-causes.ts";
import { renderProfile } from "../../contract/rustic-profile.ts";
import { s3Store } from "../../contract/s3-store.ts";
import { CodedError, EX, errnoOf } from "../../core/errors.ts";
import { cleanEnv, type ExecResult, exec } from "../../core/exec.ts";
import { randomToken } from "../../core/ids.ts";
import { ensureDir } from "../../core/paths.ts";
import { findRustic } from "../../core/rustic.ts";
import { open, seal } from "../../core/secrets.ts";
import { writeFileAtomic } from "../../core/state-file.ts";
import type { HubCore } from "../core.ts";
import type { BackupRepositoryTable } from "../db/schema.ts";
import { createTargets, repositoryId, samePlace, within } from "./targets.ts";
import withUmask from "./with-umask.sh" with { type: "text" };

const SHARED = "shared";
/** 144 MiB each: two at once. */
const AT_ONCE = 2;
const RUSTIC_TIMEOUT_MS = 6 * 3_600_000;

const foreign = (location: string) =>
  new CodedError({
    code: "backup.foreign-repository",
    title: `There is a repository in ${location} that is not this hub's`,
    why: "The hub has no password for it.",
    fix: "Bring this hub back from that repository's recovery sheet, or choose another place for backups.",
    command: "cocalc-hub recover --from BUNDLE",
    status: 409,
    exit: EX.CONFIG,
  });

export type OpenRepository = BackupRepositoryTable & { secret: string; where: BackupTarget };
export type Repositories = ReturnType<typeof createRepositories>;

export function createRepositories(core: HubCore) {
  const { db, paths, settings, master } = core;
  const dir = join(paths.run, "backups");
  const script = join(paths.ssh, "with-umask");
  const queue = new PQueue({ concurrency: AT_ONCE });
  const making = new Map<string, Promise<OpenRepository>>();
  const targets = createTargets(core);

  const context = (id: string, column: string) => `backup_repositories:${id}:${column}`;
  function opened(row: BackupRepositoryTable): OpenRepository {
    const secret = open(master, context(row.repository_id, "password"), row.password);
    const where = backupTargetSchema.parse(
      JSON.parse(open(master, context(row.repository_id, "target"), row.target)),
    );
    return { ...row, secret, where };
  }

  async function find(id: string): Promise<OpenRepository | undefined> {
    const row = await db
      .selectFrom("backup_repositories")
      .selectAll()
      .where("repository_id", "=", id)
      .executeTakeFirst();
    return row && opened(row);
  }

  const scopeOf = async (hostId: string) =>
    (await settings.get("backup_isolation")) === "per-host" ? hostId : SHARED;

  async function update(id: string, change: Partial<BackupRepositoryTable>): Promise<void> {
    await db.updateTable("backup_repositories").set(change).where("repository_id", "=", id).execute();
  }

  /** Where local repositories are; a directory of the hub's user alone. */
  async function base(): Promise<string> {
    return (await settings.get("backup_path")) || join(paths.dir, "backup-repo");
  }

  /** As a host gets it: over SFTP, where it lies on the hub. */
  function asRepository(one: OpenRepository): Repository {
    if (one.where.kind === "local") return { kind: "sftp", password: one.secret };
    return { password: one.secret, ...one.where };
  }

  /** A profile for one run, and how it is thrown away. */
  function prepare(one: OpenRepository) {
    ensureDir(dir);
    writeFileAtomic(script, withUmask, 0o700);
    const id = randomToken().slice(0, 12);
    const [profile, log, password] = [join(dir, id), join(dir, `${id}.log`), join(dir, `${id}.pw`)];
    writeFileAtomic(password, one.secret);
    writeFileAtomic(
      `${profile}.toml`,
      renderProfile(
        one.where.kind === "local" ? { kind: "local", path: one.location } : asRepository(one),
        { log, password, cache: ensureDir(join(paths.dir, "backup-cache")) },
        { retry: "many" },
      ),
    );
    const argv = (umask: string, args: string[]) => [script, umask, findRustic(), "-P", profile, ...args];
    const done = () => {
      for (const path of [`${profile}.toml`, log, password]) rmSync(path, { force: true });
    };
    return { argv, log, done, env: { HOME: dir, XDG_STATE_HOME: dir } };
  }

  /** Runs rustic as the hub, with the umask that its files must have. Never throws for a status. */
  async function rustic(
    one: OpenRepository,
    args: string[],
    options: { umask?: string; cwd?: string } = {},
  ): Promise<ExecResult & { log: string }> {
    findRustic();
    return await queue.add(async () => {
      const { argv, log, done, env } = prepare(one);
      try {
        const result = await exec(argv(options.umask ?? "0222", args), {
          timeout: RUSTIC_TIMEOUT_MS,
          env,
          ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
        });
        return { ...result, log: existsSync(log) ? await Bun.file(log).text() : "" };
      } finally {
        done();
      }
    });
  }

  /** Its output as it comes. `failed` resolves at the end, to what went wrong or undefined. */
  async function rusticStream(
    one: OpenRepository,
    args: string[],
  ): Promise<{ stream: ReadableStream<Uint8Array>; failed: Promise<string | undefined> }> {
    const { argv, done, env } = prepare(one);
    const proc = Bun.spawn(argv("0222", args), {
      cwd: "/",
      env: cleanEnv(env),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const said = new Response(proc.stderr).text();
    const failed = proc.exited.then(async (code) => {
      done();
      return code === 0 ? undefined : whatItSaid(await said);
    });
    return { stream: proc.stdout, failed };
  }

  async function rusticOk(
    one: OpenRepository,
    args: string[],
    options?: { umask?: string; cwd?: string },
  ): Promise<string> {
    const result = await rustic(one, args, options);
    if (result.code === 0) return result.stdout;
    const ended = killed(result.code, `rustic ${args[0]}`);
    if (ended) throw new CodedError({ ...ended, exit: EX.TEMPFAIL });
    throw new CodedError({
      code: "backup.repository-error",
      title: `rustic ${args[0]} failed on the repository ${one.location}`,
      fix: "If a file in it is damaged, the next sweep puts it aside within minutes.",
      ...causeOf(`${result.log}\n${result.stderr}`),
      why: whatItSaid(`${result.log}\n${result.stderr}`),
      exit: EX.IOERR,
    });
  }

  /** Made beside its place, and put there whole: of two hubs that make it at once, one finds it there. */
  async function initHere(one: OpenRepository): Promise<void> {
    if (existsSync(join(one.location, "config"))) throw foreign(one.location);
    ensureDir(await base());
    // An earlier try that broke off left directories at most.
    rmSync(one.location, { recursive: true, force: true });
    const aside = `${one.location}.new-${randomToken().slice(0, 8)}`;
    mkdirSync(aside, { mode: 0o700 });
    try {
      await rusticOk({ ...one, location: aside }, ["init"], { umask: "077" });
      chmodSync(join(aside, "config"), 0o444);
      for (const name of readdirSync(join(aside, "keys"))) chmodSync(join(aside, "keys", name), 0o444);
      try {
        renameSync(aside, one.location);
      } catch (error) {
        if (errnoOf(error) !== "ENOTEMPTY" && errnoOf(error) !== "EEXIST") throw error;
        throw foreign(one.location);
      }
    } finally {
      rmSync(aside, { recursive: true, force: true });
    }
  }

  async function make(id: string, scope: string, target: BackupTarget): Promise<OpenRepository> {
    findRustic();
    const secret = randomToken() + randomToken();
    const where = target.kind === "local" ? target : within(target, scope);
    const location = where.kind === "local" ? join(await base(), scope) : `s3://${where.bucket}${where.root}`;
    const row: BackupRepositoryTable = {
      repository_id: id,
      kind: where.kind,
      location,
      password: seal(master, context(id, "password"), secret),
      target: seal(master, context(id, "target"), JSON.stringify(where)),
      created_at: new Date().toISOString(),
      swept_at: null,
      read_back_at: null,
      read_back_part: 0,
      read_back_problem: null,
      pruned_at: null,
      damaged_at: null,
      repair: 0,
    };
    const one = opened(row);
    if (where.kind === "local") await initHere(one);
    else if (await s3Store(where).has("config")) throw foreign(location);
    else await rusticOk(one, ["init"], { umask: "077" });
    await db.insertInto("backup_repositories").values(row).execute();
    // Keys that led elsewhere until now lead here.
    await core.keysChanged();
    await core.audit.write("hub", "backup.repository-made", "hub", { repository_id: id, location });
    return one;
  }

  return {
    find,
    base,
    rustic,
    rusticOk,
    rusticStream,
    asRepository,
    target: targets.current,
    /** For new repositories; those that are there stay where they are. New keys for the same bucket are for all in it. */
    async setTarget(value: BackupTarget): Promise<void> {
      await targets.set(value);
      if (value.kind === "local") return;
      for (const scope of [SHARED, ...(await core.hosts.all()).map((host) => host.host_id)]) {
        const one = await find(repositoryId(scope, value));
        if (!one) continue;
        const where = within(value, scope);
        if (!samePlace(one.where, where)) continue;
        const target = seal(master, context(one.repository_id, "target"), JSON.stringify(where));
        await update(one.repository_id, { target });
      }
    },
    async all(): Promise<OpenRepository[]> {
      return (await db.selectFrom("backup_repositories").selectAll().execute()).map(opened);
    },
    update,
    /** The one where this host's backups go, made if there is none yet. Errors: `backup.no-rustic`, `backup.repository-*`. */
    async forHost(hostId: string): Promise<OpenRepository> {
      const scope = await scopeOf(hostId);
      const target = await targets.current();
      const id = repositoryId(scope, target);
      const found = await find(id);
      if (found) return found;
      const work = making.get(id) ?? make(id, scope, target).finally(() => making.delete(id));
      making.set(id, work);
      return await work;
    },
    /** Name of the repository where this host's backups go; there may be none yet. */
    async idFor(hostId: string): Promise<string> {
      return repositoryId(await scopeOf(hostId), await targets.current());
    },
    /** Whether a file of it is there. */
    async has(one: OpenRepository, name: string): Promise<boolean> {
      if (one.where.kind === "s3") return await s3Store(one.where).has(name);
      return existsSync(join(one.location, name)) && statSync(join(one.location, name)).isFile();
    },
  };
}
