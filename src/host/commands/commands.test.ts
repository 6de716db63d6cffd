/** Commands on a real disk; hub, helper and root's program are fakes that answer. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CodedError } from "../../core/errors.ts";
import { hostPaths } from "../../core/paths.ts";
import type { UpgradeRecord } from "../machine/upgrade-record.ts";
import { createCommands } from "./commands.ts";

const ID = "2d9f1f3e-54a8-4a0e-9d8c-8d6f8f6b1b11";
const order = { command_id: ID, kind: "upgrade", version: "0.2.0" } as const;
let dir: string;
let begun: unknown[];
let told: { state: string }[];
let connected: boolean;
let hubAnswers: boolean;
let upgrade: UpgradeRecord | undefined;
let refuses: CodedError | undefined;
/** What the helper waits for. */
let held: Promise<void> | undefined;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "cc-commands-"));
  begun = [];
  told = [];
  connected = true;
  hubAnswers = true;
  upgrade = undefined;
  refuses = undefined;
  held = undefined;
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** A daemon: each call is one that has just started. */
const daemon = () =>
  createCommands(
    {
      paths: hostPaths(dir),
      helper: {
        async call(verb: string, params: unknown) {
          if (verb === "machine.upgrading") return { active: true };
          if (refuses) throw refuses;
          begun.push(params);
          await held;
          return {};
        },
      } as never,
      link: () =>
        ({
          isConnected: () => connected,
          async tell(_verb: string, status: { state: string }) {
            if (!hubAnswers) throw new Error("no answer");
            told.push(status);
          },
        }) as never,
    },
    () => upgrade,
  );
const ended = (problem: UpgradeRecord["problem"] = null): UpgradeRecord => ({
  command_id: ID,
  kind: "upgrade",
  state: problem ? "failed" : "done",
  from: "0.1.0",
  now: "0.2.0",
  step: "starting",
  problem,
  log: "/x",
  at: new Date().toISOString(),
});

test("delivered twice, also after a restart, it is begun once; its end is told until the hub took it", async () => {
  const first = daemon();
  expect((await first.handlers["command.deliver"](order)).state).toBe("running");
  await first.reconcile();
  expect((await daemon().handlers["command.deliver"](order)).state).toBe("running");
  const second = daemon();
  await second.reconcile();
  expect(begun).toEqual([{ command_id: ID, kind: "upgrade", version: "0.2.0" }]);
  upgrade = ended();
  connected = false;
  await second.reconcile();
  expect(told).toEqual([]);
  // The hub is there, but its answer is lost.
  connected = true;
  hubAnswers = false;
  await second.reconcile();
  hubAnswers = true;
  const third = daemon();
  await third.reconcile();
  await third.reconcile();
  expect(told.map((one) => one.state)).toEqual(["done"]);
  expect((await third.handlers["command.deliver"](order)).state).toBe("done");
  const noted = readFileSync(join(dir, "project-host/commands/audit.log"), "utf8").trim().split("\n");
  expect(noted.map((line) => JSON.parse(line).what)).toEqual(["accepted", "begun", "done"]);
});

test("a machine that cannot do it says why, at once", async () => {
  refuses = new CodedError({ code: "upgrade.no-units", title: "Not run by systemd", fix: "By hand." });
  const only = daemon();
  await only.handlers["command.deliver"](order);
  await only.reconcile();
  expect(told).toMatchObject([{ state: "failed", problem: { code: "upgrade.no-units", fix: "By hand." } }]);
});

test("a virtual machine: what takes long holds nothing up, a new daemon begins it again, and its token is forgotten", async () => {
  const token = "lpj_secret";
  const vm = { name: "lab", size: { cpus: 2 }, token };
  const wanted = { command_id: ID, kind: "vm-create", version: null, vm } as const;
  held = new Promise(() => {});
  const first = daemon();
  await first.handlers["command.deliver"](wanted);
  await first.reconcile();
  await first.reconcile();
  const act = { act: "create", name: "lab", size: { cpus: 2 }, token };
  expect(begun).toEqual([{ ...act, again: false }]);
  held = undefined;
  const second = daemon();
  await second.reconcile();
  expect(begun[1]).toEqual({ ...act, again: true });
  for (let tries = 0; told.length === 0 && tries < 100; tries++) await Bun.sleep(10);
  expect(told.map((one) => one.state)).toEqual(["done"]);
  const kept = readFileSync(join(dir, `project-host/commands/${ID}.json`), "utf8");
  expect([kept.includes(token), JSON.parse(kept).vm]).toEqual([false, { ...vm, token: null }]);
});
