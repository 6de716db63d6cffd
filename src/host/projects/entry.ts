/** A project as its host's daemon holds it. */
import type { Peer } from "../../conat/peer.ts";
import type { ProjectStatus } from "../../contract/host-control.ts";
import type { ProjectRecord } from "./record.ts";

export interface Entry {
  record: ProjectRecord;
  status: ProjectStatus;
  peer: Peer | undefined;
  agentDir: string | undefined;
  /** A start or stop of it is under way or waits. */
  busy: Promise<void> | undefined;
  /** In a row. */
  deaths: number;
  /** Starts that failed, in a row. */
  failures: number;
  /** Not to be started by itself before this, by the clock that nobody sets. */
  notBefore: number;
  /** A person or the hub asked for the start that is under way. */
  asked: boolean;
  runningSince: number;
  /** Byte streams into it that are open now. */
  connections: number;
}

export function newEntry(record: ProjectRecord): Entry {
  return {
    record,
    status: {
      project_id: record.spec.project_id,
      state: "stopped",
      state_since: new Date().toISOString(),
      phase: null,
      queue_place: null,
      problem: null,
      timings: {},
      digest: record.digest,
      generation: record.spec.generation,
    },
    peer: undefined,
    agentDir: undefined,
    busy: undefined,
    deaths: 0,
    failures: 0,
    notBefore: 0,
    asked: false,
    runningSince: 0,
    connections: 0,
  };
}
