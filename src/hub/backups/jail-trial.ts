/**
 * Whether the jail holds, tried on the way that backups come: through the hub's own sshd, by a key whose forced command
 * is the jail over an empty directory. So the hub makes no namespace itself, and its unit forbids it to.
 */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ALIAS, renderKnownHosts, renderSshConfig } from "../../contract/rustic-profile.ts";
import { CodedError, type ProblemDetails, toProblem } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import { ensureDir } from "../../core/paths.ts";
import { SftpWire } from "../../core/sftp-wire.ts";
import { encodePrivateKey, generateKeyPair } from "../../core/ssh-keys.ts";
import { writeFileAtomic } from "../../core/state-file.ts";
import type { HubCore } from "../core.ts";
import type { BackupKey } from "../sshd/render.ts";
import { type JailFiles, jailCommand, jailFiles, prepareJail, probeJail } from "./jail.ts";

const log = logger("backups");
/** ssh asks six times, a second apart: sshd may be starting for this very trial. */
const OPEN_TIMEOUT_MS = 12_000;
/** What held is tried again this much later: bubblewrap or OpenSSH may have been replaced. */
const HELD_FOR_MS = 10 * 60_000;

export function createJailTrial(
  core: Pick<HubCore, "paths" | "ports" | "identity" | "sshKey" | "keysChanged">,
) {
  const { paths } = core;
  const dir = join(paths.run, "jail-trial");
  const scratch = join(dir, "repository");
  /** Survives a restart of the hub, whose hosts would be refused until the first trial. */
  const mark = join(paths.run, "jail-holds");
  const pair = generateKeyPair();
  let held: JailFiles | undefined = existsSync(mark) ? jailFiles(paths) : undefined;
  let triedAt: number | undefined;
  let problem: ProblemDetails | undefined;
  /** Trials in a row that nothing came of. */
  let untried = 0;

  /** The trial itself, at once. Errors: `backup.no-jail`, `backup.jail-untried`. */
  async function probe(): Promise<JailFiles> {
    const files = await prepareJail(paths);
    await core.keysChanged();
    ensureDir(dir);
    const access = {
      host: "127.0.0.1",
      port: core.ports.sshd,
      user: core.identity.ssh_user,
      host_key: core.sshKey.publicLine,
    };
    const places = { key: join(dir, "key"), knownHosts: join(dir, "known_hosts") };
    const config = join(dir, "ssh_config");
    writeFileAtomic(places.key, encodePrivateKey(pair));
    writeFileAtomic(places.knownHosts, renderKnownHosts(access));
    writeFileAtomic(config, renderSshConfig(access, places));
    // Not asked for as a subsystem: of those sshd drops what is said on standard error, which here is the cause.
    const argv = ["ssh", "-T", "-F", config, ALIAS];
    try {
      await probeJail(() => SftpWire.open(argv, OPEN_TIMEOUT_MS), scratch);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
    return files;
  }

  /** Keys lead somewhere while it holds, and no longer; where sshd is away, nothing new is known. */
  async function judge(): Promise<void> {
    const before = held === undefined;
    try {
      held = await probe();
      problem = undefined;
      untried = 0;
      writeFileAtomic(mark, "");
    } catch (error) {
      problem = toProblem(error);
      log.error(problem.title, { why: problem.why, fix: problem.fix });
      if (problem.code === "backup.jail-untried") {
        untried += 1;
      } else {
        untried = 0;
        held = undefined;
        rmSync(mark, { force: true });
      }
    }
    triedAt = performance.now();
    if (before !== (held === undefined)) await core.keysChanged();
  }

  let running: Promise<void> | undefined;
  const attempt = (): Promise<void> => {
    running ??= judge().finally(() => {
      running = undefined;
    });
    return running;
  };

  return {
    /** What may stand in key lines now. */
    holds: (): JailFiles | undefined => held,
    /** What is to be told: of a jail that held, not before two trials in a row came to nothing. */
    problem: (): ProblemDetails | undefined => (held !== undefined && untried === 1 ? undefined : problem),
    /** A line of authorized_keys, from when there is a host. */
    key: (): BackupKey => ({
      host_id: "jail-trial",
      public_key: pair.publicLine,
      command: jailCommand(jailFiles(paths), scratch),
    }),
    /** Tries where it was not tried for long, or did not hold. */
    async round(): Promise<void> {
      if (problem !== undefined || triedAt === undefined || performance.now() - triedAt > HELD_FOR_MS)
        await attempt();
    },
    /** Returns once it was tried, the first time. */
    async known(): Promise<void> {
      if (triedAt === undefined && held === undefined) await attempt();
    },
    /** Now, whatever is known; a second caller shares it. Errors as of the trial. */
    async check(): Promise<void> {
      await attempt();
      if (problem !== undefined) throw new CodedError(problem);
    },
  };
}
export type JailTrial = ReturnType<typeof createJailTrial>;
