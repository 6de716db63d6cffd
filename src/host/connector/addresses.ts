/**
 * Which of the hub's addresses to try. A hub has several, and most are unreachable from here: tried in turn, each
 * would cost a connect timeout, and a tunnel must be back within 30 s of the network's return.
 */
import { exec } from "../../core/exec.ts";

const ANSWER_TIMEOUT_MS = 5_000;
/** How long the better ones may still answer after the first did. */
const GRACE_MS = 250;
const BANNER = "SSH-2.0-";

/** Addresses where an SSH server answers now, in the order given; at most 5 s. */
export function answering(addresses: readonly string[], port: number): Promise<string[]> {
  return probeAll(addresses, port, BANNER);
}

/** Addresses where anything takes a connection to this port now, in the order given; at most 5 s. */
export function listening(addresses: readonly string[], port: number): Promise<string[]> {
  return probeAll(addresses, port, "");
}

/** Those first where something takes a connection to one of the ports: each of the rest may cost a time-out. */
export async function likelyFirst(
  addresses: readonly string[],
  ports: readonly number[],
): Promise<readonly string[]> {
  if (addresses.length < 2) return addresses;
  const up = await Promise.all(ports.map((port) => listening(addresses, port)));
  const answers = (address: string) => up.some((some) => some.includes(address));
  return [...addresses.filter(answers), ...addresses.filter((address) => !answers(address))];
}

async function probeAll(addresses: readonly string[], port: number, banner: string): Promise<string[]> {
  const up = new Set<string>();
  const attempts = addresses.map((address) => probe(address, port, banner));
  const settled = attempts.map((attempt, index) =>
    attempt.done.then((there) => {
      if (there) up.add(addresses[index] ?? "");
      return there;
    }),
  );
  const first = Promise.any(settled.map((one) => one.then((there) => there || Promise.reject(there))));
  await Promise.race([
    Promise.all(settled),
    first.then(() => Bun.sleep(GRACE_MS)).catch(() => {}),
    Bun.sleep(ANSWER_TIMEOUT_MS),
  ]);
  for (const attempt of attempts) attempt.stop();
  return addresses.filter((address) => up.has(address));
}

/** `banner`: what the server must say first; none where connecting is enough. */
function probe(address: string, port: number, banner: string): { done: Promise<boolean>; stop: () => void } {
  let stopped = false;
  let close = () => {};
  const done = new Promise<boolean>((resolve) => {
    let said = "";
    Bun.connect({
      hostname: address,
      port,
      socket: {
        open(socket) {
          close = () => socket.terminate();
          if (stopped) close();
          else if (banner === "") {
            resolve(true);
            socket.end();
          }
        },
        data(socket, bytes) {
          said += bytes.toString("latin1");
          if (said.length < banner.length) return;
          resolve(said.startsWith(banner));
          socket.end();
        },
        close: () => resolve(false),
        connectError: () => resolve(false),
      },
    }).catch(() => resolve(false));
  });
  return {
    done,
    stop() {
      stopped = true;
      close();
    },
  };
}

/**
 * The next one to try: what worked last first; one where a stranger answered only when nobody else does. Pure.
 */
export function chooseAddress(
  candidates: readonly string[],
  known: { good: string | null; wrong: ReadonlySet<string> },
): string | undefined {
  const right = candidates.filter((address) => !known.wrong.has(address));
  if (known.good !== null && right.includes(known.good)) return known.good;
  return right[0] ?? candidates[0];
}

/** `ssh-ed25519 AAAA…` as the server at this address shows it, unverified. */
export async function shownHostKey(address: string, port: number): Promise<string | undefined> {
  const scan = await exec(["ssh-keyscan", "-T", "8", "-p", String(port), "-t", "ed25519", address]);
  const line = scan.stdout.split("\n").find((text) => text.includes(" ssh-ed25519 "));
  return line?.split(" ").slice(1, 3).join(" ");
}
