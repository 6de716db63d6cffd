/** `cocalc-hub recover`: makes an empty machine the hub that was lost, from its bundle or from its repository. */
import { Database } from "bun:sqlite";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { z } from "zod";
import { causeOf, whatItSaid } from "../../contract/repository-causes.ts";
import { command, common, print } from "../../core/cli.ts";
import { loadConfig } from "../../core/config.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { exec } from "../../core/exec.ts";
import { hubPaths } from "../../core/paths.ts";
import { findRustic } from "../../core/rustic.ts";
import { ensureServiceUser, isRoot } from "../../core/service-users.ts";
import { HUB_USER } from "../up/users.ts";
import { lookFor, RECOVERED } from "./adopt.ts";
import { decryptBundle, unpackBundle } from "./bundle.ts";
import { BUNDLE_NAME, HUB_HOST } from "./hub-backup.ts";

const RUSTIC_TIMEOUT_MS = 600_000;

const snapshotsSchema = z.array(
  z.object({ snapshots: z.array(z.object({ id: z.string(), time: z.string() })) }),
);

/** A directory with its password, or a profile of rustic as the recovery sheet has it for a bucket. */
type Source = { directory: string; passwordFile: string } | { profile: string };

async function rustic(source: Source, args: string[]): Promise<string> {
  const access =
    "profile" in source
      ? ["-P", source.profile.replace(/\.toml$/, "")]
      : ["-r", source.directory, "--password-file", source.passwordFile];
  const result = await exec([findRustic(), ...access, "--no-cache", ...args], {
    timeout: RUSTIC_TIMEOUT_MS,
    env: { HOME: tmpdir() },
  });
  if (result.code === 0) return result.stdout;
  throw new CodedError({
    code: "recover.repository",
    title: `The repository of ${"profile" in source ? source.profile : source.directory} cannot be read`,
    fix: "Give its password, as it is on the recovery sheet, with --password-file.",
    ...causeOf(result.stderr),
    why: whatItSaid(result.stderr),
    exit: EX.DATAERR,
  });
}

/** The newest bundle in the repository that opens: a host could have put one there under the hub's name. */
async function fromRepository(source: Source, key: string): Promise<Buffer> {
  const groups = snapshotsSchema.parse(
    JSON.parse(await rustic(source, ["snapshots", "--json", "--filter-host", HUB_HOST])),
  );
  const newest = groups.flatMap((one) => one.snapshots).sort((a, b) => b.time.localeCompare(a.time));
  let last: unknown;
  for (const { id } of newest) {
    const dir = mkdtempSync(join(tmpdir(), "recover-"));
    try {
      await rustic(source, ["restore", id, dir, "--no-ownership"]);
      return decryptBundle(key, readFileSync(join(dir, BUNDLE_NAME)));
    } catch (error) {
      last = error;
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  }
  throw (
    last ??
    new CodedError({
      code: "recover.no-bundle",
      title: "There is no backup of a hub in this repository",
      fix: "Use the bundle that was downloaded from the Backups page.",
      exit: EX.NOINPUT,
    })
  );
}

export default command({
  meta: {
    name: "recover",
    description: "Brings a lost hub back on this machine, from its bundle or its backup repository",
  },
  args: {
    ...common,
    from: {
      type: "string",
      required: true,
      valueHint: "FILE|DIR",
      description: "The bundle, the repository's directory, or the sheet's .toml of one in a bucket",
    },
    "key-file": {
      type: "string",
      required: true,
      valueHint: "FILE",
      description: "Has the recovery key of the recovery sheet",
    },
    "password-file": {
      type: "string",
      valueHint: "FILE",
      description: "Has the repository's password, with a directory",
    },
    repository: { type: "string", valueHint: "DIR", description: "Where the backup repository is now" },
  },
  async run({ args }) {
    const { config } = loadConfig(process.env);
    const user = isRoot() ? await ensureServiceUser(HUB_USER.name, HUB_USER.home) : undefined;
    const paths = hubPaths(
      args["data-dir"] ?? (user ? join(user.home, ".local/share/cocalc") : undefined),
      config.data_dir ?? undefined,
    );
    const key = readFileSync(args["key-file"], "utf8").trim();
    const from = resolve(args.from);
    const directory = existsSync(from) && statSync(from).isDirectory();
    if (directory && args["password-file"] === undefined) {
      throw new CodedError({
        code: "cli.missing-flag",
        title: "cocalc-hub recover from a repository needs --password-file",
        fix: "The password is on the recovery sheet.",
        exit: EX.USAGE,
      });
    }
    const source: Source | undefined = directory
      ? { directory: from, passwordFile: resolve(args["password-file"] ?? "") }
      : from.endsWith(".toml")
        ? { profile: from }
        : undefined;
    const tar = source ? await fromRepository(source, key) : decryptBundle(key, readFileSync(from));
    await unpackBundle(paths, tar);
    const repository = args.repository ? resolve(args.repository) : directory ? from : undefined;
    const db = new Database(paths.db);
    try {
      if (repository !== undefined)
        db.run("UPDATE backup_repositories SET location = ? WHERE repository_id = ? AND kind = 'local'", [
          repository,
          basename(repository) === "shared" ? "shared" : basename(repository),
        ]);
      // What the lost hub was doing is done by nobody.
      db.run("DELETE FROM leases");
      const count = (table: string) =>
        (db.query(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n;
      const found = {
        directory: paths.dir,
        accounts: count('"user"'),
        projects: count("projects"),
        hosts: count("hosts"),
        backups: count("backups"),
        repositories: db.query("SELECT location FROM backup_repositories").all() as { location: string }[],
      };
      if (user) await exec(["chown", "-R", `${user.uid}:${user.gid}`, paths.dir]);
      lookFor(paths, RECOVERED);
      if (user) await exec(["chown", `${user.uid}:${user.gid}`, join(paths.dir, RECOVERED)]);
      print(args, found, (all) =>
        [
          `${all.accounts} accounts, ${all.projects} projects, ${all.hosts} hosts and ${all.backups} backups are back in ${all.directory}.`,
          ...all.repositories
            .filter((one) => one.location.startsWith("/") && !existsSync(one.location))
            .map((one) => `The repository ${one.location} is not here: bring it there, or say --repository.`),
          "Start it with the ports and under the address that it had: hosts then connect by themselves.",
          "  cocalc-hub up",
        ].join("\n"),
      );
    } finally {
      db.close();
    }
  },
});
