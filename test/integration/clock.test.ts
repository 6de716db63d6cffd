/** A machine whose clock is two days off, either way: told with cause and fix wherever it shows, and well again once it is right. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { DoctorReport, Host, JoinTokenCreated } from "../../src/contract/api.ts";
import { type FarMachine, makeFarMachine } from "../fixtures/far-machine.ts";
import { type RunningHub, startHub, until } from "../fixtures/running-hub.ts";

const ROOT = process.getuid?.() === 0;
const SLOW = 120_000;
const DAY = 24 * 3600;
const TWO_DAYS = 2 * DAY;

describe.skipIf(!ROOT)("a clock two days off (needs root: namespaces, service users)", () => {
  let hub: RunningHub;
  let machine: FarMachine;
  let far = "";

  const token = () => hub.json<JoinTokenCreated>("host", "token");
  const show = () => hub.json<Host>("host", "show", far);
  const ready = async () => {
    const host = await show();
    return host.state === "ready" && host.tunnel.state === "up" && host;
  };

  beforeAll(async () => {
    machine = await makeFarMachine();
    hub = await startHub();
  }, SLOW);

  afterAll(async () => {
    await machine?.shutDown();
    await hub?.stop();
    await machine?.destroy();
  }, SLOW);

  for (const shift of [TWO_DAYS, -TWO_DAYS]) {
    test(
      `joining ${shift / DAY} days off: refused before anything is changed`,
      async () => {
        await machine.setClock(shift);
        const refused = await machine.paste(await token());
        expect(refused.stderr).toMatch(/BAD {2}clock/);
        expect(refused.stderr).toContain("timedatectl set-ntp true");
        expect(refused.stderr).toContain("nothing was changed");
        expect(refused.code).toBe(69);
        expect(existsSync(join(machine.dataDir, "bin"))).toBe(false);
      },
      SLOW,
    );
  }

  test(
    "joins with its clock right",
    async () => {
      await machine.setClock(0);
      expect((await machine.paste(await token())).code).toBe(0);
      const hosts = await hub.json<Host[]>("host", "list");
      far = hosts.find((one) => one.type.kind === "self-host")?.host_id ?? "";
      await until("it is ready", ready, 30_000);
    },
    SLOW,
  );

  for (const shift of [TWO_DAYS, -TWO_DAYS]) {
    test(
      `booted ${shift / DAY} days off: its tunnel comes up, its clock is named, and all is well once it is right`,
      async () => {
        await machine.shutDown();
        await machine.setClock(shift);
        machine.boot();
        const host = await until(
          "the hub tells of the clock",
          async () => {
            const one = await show();
            return one.problem?.code === "host.clock-skew" && one.tunnel.state === "up" && one;
          },
          40_000,
        );
        expect(host.state).toBe("degraded");
        expect(host.problem?.title).toContain(`${TWO_DAYS} s ${shift > 0 ? "ahead of" : "behind"} the hub's`);
        expect(host.problem?.command).toBe("timedatectl set-ntp true");
        const doctor = await hub.cli("doctor", "--json");
        expect(doctor.code).not.toBe(0);
        const { checks } = JSON.parse(doctor.stdout) as DoctorReport;
        const clock = checks.find((one) => one.code === "host.clock" && one.host_id === far);
        expect(clock?.problem?.code).toBe("host.clock-skew");
        await machine.shutDown();
        await machine.setClock(0);
        machine.boot();
        await until("it is ready", ready, 40_000);
        expect((await show()).problem).toBe(null);
      },
      SLOW,
    );
  }
});
