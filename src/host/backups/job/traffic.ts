/**
 * What a job's own connections have carried. rustic tells of a file's bytes when it has a whole pack, which a slow line
 * takes many minutes for: whether anything moves is seen here.
 */
import { exec } from "../../../core/exec.ts";

/** How long nothing is told of before its connections are looked at, and how often then. */
const QUIET_MS = 20_000;
const LOOK_MS = 10_000;
/** Less is keep-alives: of a connection whose other end does nothing. */
const MOVES_BYTES = 64 * 1024;

/** Sum over the connections that have a process of ours, from the lines of `ss -tniHOp`. Pure. */
export function carriedBytes(lines: string): number {
  let sum = 0;
  for (const line of lines.split("\n").filter((one) => one.includes("users:(")))
    for (const [, bytes] of line.matchAll(/\bbytes_(?:received|acked):(\d+)/g)) sum += Number(bytes);
  return sum;
}

/** Of this process and its children: in the job's jail no other is seen. Undefined where there is no ss. */
async function carried(): Promise<number | undefined> {
  const argv = ["ss", "-tniHOp", "state", "established"];
  const ran = await exec(argv, { timeout: 5_000 }).catch(() => undefined);
  return ran?.code === 0 ? carriedBytes(ran.stdout) : undefined;
}

/** `onMove`: called when enough was carried to say that it goes on. */
export function createTrafficWatch(onMove: () => void, look: () => Promise<number | undefined> = carried) {
  let told = performance.now();
  let looked = 0;
  let looking = false;
  /** At the first look of this quiet time, and when it was last said that it goes on. */
  let first: number | undefined;
  let counted = 0;
  let since = 0;
  return {
    /** Progress was told: nothing need be looked at for a while. */
    moved() {
      told = performance.now();
      first = undefined;
      since = 0;
    },
    /** Bytes since progress was last told; 0 while that is not long ago. */
    get since() {
      return since;
    },
    /** To be called now and then; true when it looked, so that `since` may be another. */
    async tick(now = performance.now()): Promise<boolean> {
      if (looking || now - told < QUIET_MS || now - looked < LOOK_MS) return false;
      looking = true;
      looked = now;
      const bytes = await look();
      looking = false;
      if (bytes === undefined) return false;
      // A connection that ended takes its count along.
      if (first === undefined || bytes < counted) {
        first = bytes - since;
        counted = bytes;
      }
      since = bytes - first;
      if (bytes - counted >= MOVES_BYTES) {
        counted = bytes;
        onMove();
      }
      return true;
    },
  };
}
