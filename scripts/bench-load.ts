/** Load on HTTP and WebSocket servers, for the benches: what `wrk` says, and echoes of our own. */
import { exec } from "../src/core/exec.ts";

export interface Load {
  perSecond: number;
  p50_ms: number;
  p99_ms: number;
}

const UNIT: Record<string, number> = { us: 0.001, ms: 1, s: 1000 };

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  return ((sorted[Math.ceil(half) - 1] ?? Number.NaN) + (sorted[Math.floor(half)] ?? Number.NaN)) / 2;
}

export function quantile(values: number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

export async function load(
  url: string,
  connections: number,
  headers: Record<string, string> = {},
): Promise<Load> {
  const flags = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const result = await exec(["wrk", "-t1", `-c${connections}`, "-d3s", "--latency", ...flags, url], {
    timeout: 20_000,
  });
  // wrk counts answers of any status: a bench of error pages would look splendid.
  if (result.code !== 0 || /Non-2xx/.test(result.stdout))
    throw new Error(`wrk: ${result.stdout}${result.stderr}`);
  const time = (percent: string) => {
    const match = new RegExp(`${percent}%\\s+([\\d.]+)(us|ms|s)`).exec(result.stdout);
    return Number(match?.[1]) * (UNIT[match?.[2] ?? ""] ?? Number.NaN);
  };
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(result.stdout)?.[1]),
    p50_ms: time("50"),
    p99_ms: time("99"),
  };
}

/** MiB per second of one download. */
export async function download(url: string, headers: Record<string, string> = {}): Promise<number> {
  const began = performance.now();
  const response = await fetch(url, { headers });
  const bytes = (await response.arrayBuffer()).byteLength;
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return bytes / 2 ** 20 / ((performance.now() - began) / 1000);
}

/** `sockets` WebSockets that each send a message when the last came back: round trips of all, ms, and per second. */
export async function webSocketEcho(
  url: string,
  sockets: number,
  rounds: number,
  headers: Record<string, string> = {},
): Promise<{ perSecond: number; times: number[] }> {
  const times: number[] = [];
  const one = (began: () => void) =>
    new Promise<void>((resolve, reject) => {
      const socket = new WebSocket(url, { headers } as never);
      let left = rounds;
      let since = 0;
      const send = () => {
        since = performance.now();
        socket.send("0123456789abcdef0123456789abcdef");
      };
      socket.onopen = () => {
        began();
        send();
      };
      socket.onmessage = () => {
        times.push(performance.now() - since);
        left -= 1;
        if (left > 0) send();
        else socket.close();
      };
      socket.onclose = () => (left === 0 ? resolve() : reject(new Error(`${url} closed early`)));
    });
  let first = 0;
  const mark = () => {
    first ||= performance.now();
  };
  await Promise.all(Array.from({ length: sockets }, () => one(mark)));
  return { perSecond: (sockets * rounds) / ((performance.now() - first) / 1000), times };
}
