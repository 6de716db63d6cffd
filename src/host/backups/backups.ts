/**
 * Backups on this host: the hub's orders, joined with what only this host knows (its key, the way to the hub), handed to
 * the helper. It keeps nothing of its own: a restarted daemon answers about a running job as its predecessor did.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Repository, SshAccess, Task } from "../../contract/backup-job.ts";
import { renderKnownHosts, renderSshConfig } from "../../contract/rustic-profile.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { SftpWire } from "../../core/sftp-wire.ts";
import { encodePrivateKey, type KeyPair, loadOrCreateKeyPair } from "../../core/ssh-keys.ts";
import type { HostCore, HostFeature } from "../core.ts";
import type { HostHandlers } from "../link/link.ts";
import { readConnectorState } from "../link/tunnel-report.ts";

type BackupHandlers = Pick<HostHandlers, Extract<keyof HostHandlers, `backup.${string}`>>;
const PROBE_TIMEOUT_MS = 15_000;

export function createBackups(host: HostCore): { feature: HostFeature; handlers: BackupHandlers } {
  const { helper, paths, state } = host;
  const pairs = new Map<string, KeyPair>();
  /** Made here, as the tunnel's key is: private halves never leave this machine. One adds, one only reads. */
  const key = (kind: "backup" | "restore") => {
    const pair =
      pairs.get(kind) ??
      loadOrCreateKeyPair(join(paths.ssh, `${kind}_ed25519`), `cocalc-project-host ${kind}`);
    pairs.set(kind, pair);
    return pair;
  };

  /** On the hub's own machine the loopback; elsewhere the address by which the tunnel came through. */
  function access(kind: "backup" | "restore"): SshAccess {
    const address =
      state.kind === "local"
        ? "127.0.0.1"
        : (readConnectorState(paths.connectorState)?.address ?? state.addresses[0]);
    if (address === undefined) {
      throw new CodedError({
        code: "backup.no-address",
        title: "This host knows no address of the hub's sshd",
        fix: "See its tunnel: backups go the same way.",
        status: 503,
        exit: EX.UNAVAILABLE,
      });
    }
    return {
      host: address,
      port: state.sshd_port,
      user: state.ssh_user,
      host_key: state.ssh_host_key.split(" ").slice(0, 2).join(" "),
      private_key: encodePrivateKey(key(kind)),
    };
  }
  const accessFor = (repository: Repository | null, task: Task) =>
    repository?.kind === "sftp" ? access(task.kind === "backup" ? "backup" : "restore") : null;

  const handlers: BackupHandlers = {
    "backup.key": async () => ({ public_key: key("backup").publicLine, read_key: key("restore").publicLine }),
    "backup.start": async ({ job_id, project_id, repository, task, image, digest }) => {
      if (task.kind === "restore" || task.kind === "drill") {
        // Gives the project ids and a place on this host, where it has none yet.
        const root = await host.images.ensure(image, digest);
        const known = await helper.call("backup.source", { project_id });
        if (known.digest === null) await helper.call("project.prepare", { project_id, digest: root });
      }
      await helper.call("backup.start", {
        job_id,
        project_id,
        task,
        repository,
        ssh: accessFor(repository, task),
      });
      return {};
    },
    "backup.poll": async ({ job_id, wait_ms }) => await helper.call("backup.poll", { job_id, wait_ms }),
    "backup.end": async ({ job_id }) => await helper.call("backup.end", { job_id }),
    "backup.commit": async ({ job_id, project_id }) =>
      await helper.call("backup.commit", { job_id, project_id }),
    "backup.source": async ({ project_id }) => await helper.call("backup.source", { project_id }),
    "backup.probe": async ({ name, content }) => {
      const began = performance.now();
      const dir = mkdtempSync(join(paths.run, "probe-"));
      try {
        const ssh = access("backup");
        const at = { key: join(dir, "key"), knownHosts: join(dir, "known_hosts") };
        writeFileSync(at.key, ssh.private_key, { mode: 0o600 });
        writeFileSync(at.knownHosts, renderKnownHosts(ssh), { mode: 0o600 });
        writeFileSync(join(dir, "config"), renderSshConfig(ssh, at), { mode: 0o600 });
        const wire = await SftpWire.open(
          ["ssh", "-F", join(dir, "config"), "-s", "cocalc-backup", "sftp"],
          PROBE_TIMEOUT_MS,
        );
        const written = await wire.put(name, Buffer.from(content));
        wire.close();
        if (written) return { took_ms: performance.now() - began };
        throw new CodedError({
          code: "backup.write-refused",
          title: "The repository takes no new file from this host",
          why: "The hub's SFTP server answered, and refused to write.",
          fix: "See the space and the rights of the repository's directory on the hub.",
          status: 502,
        });
      } finally {
        rmSync(dir, { recursive: true, force: true });
      }
    },
  };
  return { feature: {}, handlers };
}
