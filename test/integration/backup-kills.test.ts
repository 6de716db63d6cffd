/**
 * kill -9 at random points of backup, restore, prune and move, on real parts: a hub with two hosts, each with a
 * repository of its own. After each: nothing that was proven is lost, what is shown is true, the project is as it was
 * or as what was asked for has it, and the next run is whole. COCALC_TEST_SEED repeats the points of a failure,
 * COCALC_TEST_ROUNDS says how many.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Operation, Project } from "../../src/contract/api.ts";
import type { Backup } from "../../src/contract/api-backups.ts";
import { hostPaths } from "../../src/core/paths.ts";
import { instanceName } from "../../src/host/helper/root.ts";
import { TREE } from "../fixtures/backup-lab.ts";
import { until } from "../fixtures/running-hub.ts";
import { whyNoBackups } from "../fixtures/rustic.ts";
import { openTwoHosts, type TwoHostsLab } from "../fixtures/two-hosts-lab.ts";

const LONG = process.env.COCALC_TEST_LONG === "1";
const ROUNDS = Number(process.env.COCALC_TEST_ROUNDS ?? (LONG ? 100 : 10));
const SLOW = 180_000;
const ROUND_MS = 90_000;
const SEED = Number(process.env.COCALC_TEST_SEED ?? Date.now() % 2 ** 31);
const WHY = whyNoBackups();
if (WHY !== undefined) console.error(`SKIPPED: processes that are killed during backups: ${WHY}`);

describe.skipIf(WHY !== undefined)("processes that are killed during backups", () => {
  let two: TwoHostsLab;
  let near: Project;

  beforeAll(async () => {
    two = await openTwoHosts();
    near = two.near;
  }, SLOW);
  afterAll(async () => {
    await two?.remove();
  }, SLOW);

  const random = (() => {
    let state = SEED;
    return () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
      return state / 0x7fffffff;
    };
  })();
  const KINDS = ["backup", "restore", "prune", "move"] as const;
  const VICTIMS = ["rustic", "ssh", "sshd", "host", "helper", "hub"] as const;
  const path = (rest: string) => `/projects/${near.project_id}/${rest}`;
  const WORK: Record<(typeof KINDS)[number], () => Promise<Operation>> = {
    backup: () => two.lab.begin(near),
    restore: async () => {
      const row = (await two.list(near)).find((one) => one.state === "proven");
      const way = path(`backups/${row?.backup_id}/restore`);
      return await two.lab.api<Operation>("POST", way, { what: "project" });
    },
    prune: () => two.lab.api<Operation>("POST", "/backups/prune", {}),
    move: async () => {
      const to = (await two.show(near)).host_id === two.ids.near ? two.ids.far : two.ids.near;
      return await two.lab.api<Operation>("POST", path("move"), { host_id: to });
    },
  };
  const tree = () => two.steadily(async () => await two.lab.sh(await two.show(near), TREE));
  /** Of what is asked for, how it ended, told to whoever asks: never still running, never failed without a cause. */
  function isTold(what: string, ended: Operation, made: Backup | undefined): void {
    if (ended.state !== "done") expect([what, ended.problem?.title]).not.toEqual([what, undefined]);
    if (made === undefined) return;
    expect([what, made.state]).not.toEqual([what, "running"]);
    if (made.state === "failed") expect([what, made.problem?.title]).not.toEqual([what, undefined]);
  }
  function isKept(what: string, kind: string, before: Backup[], after: Backup[]): void {
    for (const one of before) {
      const now = after.find((row) => row.backup_id === one.backup_id);
      // Of one hour a prune keeps the newest.
      if (now === undefined && kind === "prune" && one !== before[0]) continue;
      expect([what, now?.state]).toEqual([what, "proven"]);
      const files = [two.nearRepository, two.farRepository].map((dir) =>
        join(dir, "snapshots", one.snapshot_id ?? ""),
      );
      expect([what, files.some(existsSync)]).toEqual([what, true]);
    }
  }

  const signal = (pids: number[], name: NodeJS.Signals) => {
    for (const pid of pids) {
      try {
        process.kill(pid, name);
      } catch {
        // It just ended by itself.
      }
    }
  };

  test(
    `kill -9 of ${VICTIMS.join(", ")} during ${KINDS.join(", ")}: ${ROUNDS} rounds`,
    async () => {
      let hit = 0;
      /** What the newest proven backup holds. */
      let held = await tree();
      for (let round = 1; round <= ROUNDS; round++) {
        const kind = KINDS[round % KINDS.length] ?? "backup";
        const victim = VICTIMS[Math.floor(random() * VICTIMS.length)] ?? "rustic";
        const wait = random() * 2_500;
        const what = `seed ${SEED}, round ${round}: ${victim} during ${kind} after ${Math.round(wait)} ms`;
        const before = (await two.list(near)).filter((one) => one.state === "proven");
        await two.steadily(async () => {
          const change = `echo ${round} > round && head -c 300000 /dev/urandom > d/${round % 5}`;
          return { done: await two.lab.sh(await two.show(near), change) };
        });
        const was = await tree();
        const operation = await WORK[kind]();
        await Bun.sleep(wait);
        const targets = two.running(victim);
        if (targets.length > 0) hit += 1;
        signal(
          targets.map(({ pid }) => pid),
          "SIGKILL",
        );
        const ended = await two.steadily(() => two.lab.ended(operation, 150_000));
        const rows = await two.list(near);
        isTold(
          what,
          ended,
          rows.find((one) => one.backup_id === operation.operation_id),
        );
        isKept(what, kind, before, rows);
        const runs = async () => (await two.show(near)).state === "running";
        // It ran before: whatever was cut off, what came to its end has it running again.
        if (ended.state === "done") await until(`${what}: it runs`, runs, 60_000);
        if (!(await runs()))
          await two.steadily(async () => await two.lab.hub.json("project", "start", near.project_id));
        const now = await tree();
        const allowed = kind !== "restore" ? [was] : ended.state === "done" ? [held] : [was, held];
        if (!allowed.includes(now)) expect([what, now]).toEqual([what, allowed[0] ?? ""]);
        await two.proven(near);
        held = now;
        if (LONG)
          console.error(`${what}: ${targets.length} killed, ${ended.state} ${ended.problem?.code ?? ""}`);
      }
      console.error(`seed ${SEED}: ${hit} of ${ROUNDS} rounds had something to kill`);
      expect(hit).toBeGreaterThan(ROUNDS / 4);
    },
    ROUNDS * ROUND_MS,
  );

  // The longer one is more than a host waits for a hub that asks nothing: by then it has given the job up.
  for (const away of LONG ? [0, 75] : [0])
    test(
      `the hub is killed with its sshd in the middle of a restore, and is away for ${away} s more: it is taken up`,
      async () => {
        const wanted = await tree();
        await two.proven(near);
        await two.lab.sh(await two.show(near), "rm -r d && echo lost > round");
        const operation = await WORK.restore();
        const rustic = await until(
          "rustic restores",
          async () => {
            const pids = two.running("rustic").map(({ pid }) => pid);
            signal(pids, "SIGSTOP");
            return pids.length > 0 && pids;
          },
          60_000,
        );
        // What would start the hub again waits, too.
        signal([two.lab.hub.pid], "SIGSTOP");
        signal(
          [...two.running("hub"), ...two.running("sshd"), ...two.running("ssh")].map(({ pid }) => pid),
          "SIGKILL",
        );
        signal(rustic, "SIGCONT");
        await Bun.sleep(away * 1_000);
        signal([two.lab.hub.pid], "SIGCONT");
        const ended = await two.steadily(() => two.lab.ended(operation, 150_000));
        expect([ended.state, ended.problem]).toEqual(["done", null]);
        expect(ended.attempt).toBeGreaterThan(1);
        expect((await two.show(near)).state).toBe("running");
        expect(await tree()).toBe(wanted);
      },
      SLOW + away * 1_000,
    );

  test(
    "after all of it nothing runs on or stays mounted, and what is there comes back in a drill",
    async () => {
      const dirs = [two.lab.hub.dataDir, two.second.dataDir];
      const leftOver = () =>
        readdirSync("/proc")
          .filter((pid) => /^\d+$/.test(pid))
          .filter((pid) => {
            try {
              const argv = readFileSync(`/proc/${pid}/cmdline`, "utf8");
              if (!/backup-job|cocalc-backup|^\/rustic/.test(argv)) return false;
              const mounts = readFileSync(`/proc/${pid}/mountinfo`, "utf8");
              return dirs.some((dir) => mounts.includes(basename(dir)));
            } catch {
              return false;
            }
          });
      await until("no process of a backup is left", async () => leftOver().length === 0, 60_000);
      const mounts = readFileSync("/proc/self/mountinfo", "utf8");
      for (const dir of dirs)
        expect(mounts).not.toContain(`/run/cocalc-${instanceName(hostPaths(dir).dir)}/b/`);
      for (const name of ["near", "far"])
        expect((await two.lab.hub.cli("backup", "drill", name)).stderr).toBe("");
      expect((await two.lab.hub.cli("backup", "verify")).stderr).toBe("");
    },
    SLOW,
  );
});
