/**
 * 500 projects with 20 snapshots each in one pool with quotas: what making, listing, counting and deleting one costs,
 * the first fifty beside the last fifty, and beside the bare `btrfs` command in the same pool.
 */
import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execOk } from "../src/core/exec.ts";
import { startPoolLab, whyNoPool } from "../test/fixtures/storage-lab.ts";
import { median } from "./bench-load.ts";

const PROJECTS = 500;
const SNAPSHOTS = 20;
const SAMPLE = 50;
const FILES = 20;

type Row = (what: string, ours: string, peer?: string, ratio?: string) => void;

export async function storage(row: Row, json: Record<string, unknown>): Promise<void> {
  const missing = whyNoPool();
  if (missing !== undefined) {
    row("storage", `skipped: ${missing}`);
    return;
  }
  // A snapshot's name is its time to the second: with a clock that goes faster nothing waits.
  let second = Date.parse("2026-01-01T00:00:00Z");
  const now = () => {
    second += 1000;
    return new Date(second);
  };
  const lab = await startPoolLab({ plan: { size_bytes: 20 * 2 ** 30 }, now });
  const times: Record<string, number[]> = {};
  const timed = async <T>(what: string, work: () => T | Promise<T>): Promise<T> => {
    const since = performance.now();
    const result = await work();
    const known = times[what] ?? [];
    known.push(performance.now() - since);
    times[what] = known;
    return result;
  };
  try {
    const { storage: pool, places } = lab;
    const ids = Array.from({ length: PROJECTS }, () => randomUUID());
    for (const [at, id] of ids.entries()) {
      const { home } = await timed("create", () => pool.create(id));
      mkdirSync(home);
      for (let n = 0; n < FILES; n++) writeFileSync(join(home, `f${n}`), id.repeat(50));
      for (let n = 0; n < SNAPSHOTS; n++) {
        writeFileSync(join(home, "now"), `${n} ${id}`);
        await timed("snapshot", () => pool.snapshot(id, "schedule"));
      }
      await timed("list", () => pool.snapshots(id));
      await timed("usage", () => pool.usage(id));
      // The peer, with as many subvolumes around it.
      if (at % Math.ceil(PROJECTS / SAMPLE) !== 0) continue;
      const bare = join(places.pool, `bare-${at}`);
      await timed("bare create", () => execOk(["btrfs", "subvolume", "create", bare]));
      await timed("bare snapshot", () => execOk(["btrfs", "subvolume", "snapshot", "-r", bare, `${bare}-s`]));
      await timed("bare delete", () => execOk(["btrfs", "subvolume", "delete", `${bare}-s`]));
    }
    for (const id of ids.slice(0, SAMPLE)) {
      for (const { name } of pool.snapshots(id).slice(0, 5))
        await timed("snapshot delete", () => pool.removeSnapshot(id, name));
    }
    for (const id of ids) await timed("delete", () => pool.remove(id));
  } finally {
    await lab.stop();
  }
  const all = (what: string) => median(times[what] ?? []);
  const part = (what: string, from: number, to?: number) => median((times[what] ?? []).slice(from, to));
  const ms = (value: number) => value.toFixed(1);
  for (const [what, peer, name] of [
    ["create", "bare create", "a project made"],
    ["snapshot", "bare snapshot", "a snapshot taken"],
    ["snapshot delete", "bare delete", "a snapshot deleted"],
  ] as const) {
    row(
      `${name}, ms (peer: the btrfs command alone)`,
      ms(all(what)),
      ms(all(peer)),
      `${(all(what) / all(peer)).toFixed(2)}×`,
    );
  }
  for (const [what, name, each] of [
    ["create", "a project made", 1],
    ["snapshot", "a snapshot taken", SNAPSHOTS],
    ["list", "snapshots of a project listed", 1],
    ["usage", "a project's three numbers", 1],
    ["delete", "a project deleted with its snapshots", 1],
  ] as const) {
    const many = SAMPLE * each;
    const [first, last] = [part(what, 0, many), part(what, -many)];
    // Deleting begins with all of them there.
    const [few, full] = what === "delete" ? [last, first] : [first, last];
    row(
      `${name}, ms, of ${PROJECTS} × ${SNAPSHOTS} (peer: with ${SAMPLE} projects)`,
      ms(full),
      ms(few),
      `${(full / few).toFixed(2)}×`,
    );
  }
  json.storage = times;
}
