/**
 * What a backup must show before it counts. The host's word is one half: rustic's own counts against a walk of the same
 * files. The hub's own look into the repository is the other. Pure, but for that look.
 */
import type { JobResult } from "../../contract/backup-job.ts";
import type { ProblemDetails } from "../../core/errors.ts";

/** What the hub found of the snapshot in the repository. */
export interface Seen {
  /** The file is there, and its content has the hash that is its name. */
  whole: boolean;
  /** As the snapshot itself says, decrypted. */
  hostname: string | null;
}

export interface Verdict {
  state: "proven" | "partial" | "failed";
  /** What is not in it, each with why. */
  leftOut: string[];
  leftOutTotal: number;
  problem: ProblemDetails | null;
}

export function judge(result: JobResult, seen: Seen, projectId: string): Verdict {
  const failed = (code: string, title: string, why: string, fix: string): Verdict => ({
    state: "failed",
    leftOut: [],
    leftOutTotal: 0,
    problem: { code, title, why, fix },
  });
  if (result.snapshot_id === null || result.manifest === null) {
    return failed("backup.no-snapshot", "The backup left no snapshot", "rustic named none.", "Run it again.");
  }
  if (!seen.whole) {
    return failed(
      "backup.not-in-repository",
      "The backup is not in the repository",
      `The hub looked for the snapshot ${result.snapshot_id.slice(0, 12)} and did not find it whole.`,
      "Run it again; if this lasts, see the repository's disk.",
    );
  }
  if (seen.hostname !== `project-${projectId}`) {
    return failed(
      "backup.forged",
      "The snapshot that the host named is not of this project",
      `It says it is of ${seen.hostname ?? "nobody"}.`,
      "Somebody changed that host's software: look at the machine before trusting anything it says.",
    );
  }
  const leftOut = [
    ...result.nested.map((path) => `${path}: a subvolume of its own, which a snapshot leaves out`),
    ...result.warnings.map((text) => text),
    ...result.changed.map((path) => `${path}: it changed while it was read`),
  ];
  const leftOutTotal = result.nested.length + result.warnings_total + result.changed_total;
  const { manifest } = result;
  const counted = result.files === manifest.files && result.dirs === manifest.dirs;
  if (leftOutTotal === 0 && counted) return { state: "proven", leftOut: [], leftOutTotal: 0, problem: null };
  if (!counted && leftOutTotal === 0) {
    leftOut.push(
      `${manifest.files} files and ${manifest.dirs} folders are there, ${result.files} and ${result.dirs} were read`,
    );
  }
  return {
    state: "partial",
    leftOut: leftOut.slice(0, 100),
    leftOutTotal: Math.max(leftOutTotal, leftOut.length),
    problem: {
      code: "backup.partial",
      title:
        leftOutTotal === 0
          ? "The numbers of files differ: the backup is not proven"
          : `${leftOutTotal} ${leftOutTotal === 1 ? "file or folder is" : "files or folders are"} not in this backup as ${leftOutTotal === 1 ? "it is" : "they are"}`,
      why: leftOut[0],
      fix: "See the list. Files that change all the time are safe in a backup of the stopped project.",
    },
  };
}
