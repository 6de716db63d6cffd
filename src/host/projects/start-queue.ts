/** Starts run a few at a time, and only while the machine has memory; the place in line is told. */
import PQueue from "p-queue";
import type { ProjectStatus } from "../../contract/host-control.ts";
import type { Entry } from "./entry.ts";
import { FullLine } from "./room.ts";

const PARALLEL_STARTS = 4;

interface StartQueueDeps {
  /** Whether this machine has memory for one more. */
  room(): boolean;
  tell(entry: Entry, change: Partial<ProjectStatus>): void;
  start(entry: Entry): Promise<void>;
}

export class StartQueue {
  readonly #deps: StartQueueDeps;
  readonly #queue = new PQueue({ concurrency: PARALLEL_STARTS });
  readonly #full: FullLine;
  #waiting: Entry[] = [];
  #closed = false;

  constructor(deps: StartQueueDeps) {
    this.#deps = deps;
    this.#full = new FullLine(deps.room);
  }

  has(entry: Entry): boolean {
    return this.#waiting.includes(entry);
  }

  /** Starts it when its turn comes, unless it is to stop by then. */
  add(entry: Entry): void {
    this.#waiting.push(entry);
    this.#deps.tell(entry, {
      state: this.#queue.pending >= PARALLEL_STARTS ? "queued" : "starting",
      phase: null,
      problem: null,
    });
    this.#tellPlaces();
    void this.#queue.add(async () => {
      this.#waiting = this.#waiting.filter((one) => one !== entry);
      this.#tellPlaces();
      await this.#full.wait(
        () => entry.record.desired === "running" && !this.#closed,
        (place) =>
          this.#deps.tell(entry, {
            state: "queued",
            phase: "waits for memory on its host",
            queue_place: place,
          }),
      );
      if (entry.record.desired === "running") await this.#deps.start(entry);
    });
  }

  /** Nothing is started any more. */
  close(): void {
    this.#closed = true;
    this.#queue.clear();
  }

  #tellPlaces(): void {
    for (const [index, entry] of this.#waiting.entries()) {
      if (entry.status.state === "queued")
        this.#deps.tell(entry, { queue_place: this.#full.length + index + 1 });
    }
  }
}
