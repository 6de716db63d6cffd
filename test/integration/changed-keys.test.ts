/**
 * Keys that change, on real sshd, ssh and binaries: the hub's, as after a restore without it; a stranger's in between;
 * a machine's that lost its ssh folder; the hub's own machine's. Refused, shown with both fingerprints, and the way out.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Host, JoinTokenCreated } from "../../src/contract/api.ts";
import { exec } from "../../src/core/exec.ts";
import { fingerprint } from "../../src/core/ssh-keys.ts";
import { removeDataDir } from "../fixtures/data-dir.ts";
import { type FarMachine, makeFarMachine } from "../fixtures/far-machine.ts";
import { processesOf, signalFound } from "../fixtures/processes.ts";
import { HOST_BINARY, type RunningHub, startHub, until } from "../fixtures/running-hub.ts";
import { strangeSshd } from "../fixtures/strange-sshd.ts";

const ROOT = process.getuid?.() === 0;
const SLOW = 120_000;

describe.skipIf(!ROOT)("keys that change (needs root: namespaces, service users)", () => {
  let hub: RunningHub;
  let machine: FarMachine;
  let dataDir = "";
  let far = "";

  const token = () => hub.json<JoinTokenCreated>("host", "token");
  const show = () => hub.json<Host>("host", "show", far);
  const all = () => hub.json<Host[]>("host", "list");
  const ready = async () => {
    const host = await show();
    return host.state === "ready" && host.tunnel.state === "up" && host;
  };

  beforeAll(async () => {
    machine = await makeFarMachine();
    // One that outlives its hub: the last test starts another on it.
    dataDir = mkdtempSync(join(tmpdir(), "cc-hub-"));
    hub = await startHub({ dataDir });
    expect((await machine.paste(await token())).code).toBe(0);
    far = (await all()).find((one) => one.type.kind === "self-host")?.host_id ?? "";
    await until("it is ready", ready, 30_000);
  }, SLOW);

  afterAll(async () => {
    await machine?.shutDown();
    await hub?.stop();
    if (dataDir) await removeDataDir(dataDir);
    await machine?.destroy();
  }, SLOW);

  test(
    "the hub's changed key is refused and shown with both fingerprints; accepting it is the way out",
    async () => {
      const keyFile = join(hub.dataDir, "launchpad/ssh/host_ed25519");
      const before = fingerprint(readFileSync(`${keyFile}.pub`, "utf8"));
      for (const file of [keyFile, `${keyFile}.pub`]) rmSync(file);
      // Hub and sshd begin again with a new key, as after a restore without it.
      for (const command of ["serve", "sshd"]) {
        const [one] = processesOf(hub.dataDir).filter(
          ({ argv }) => argv[1] === command && (argv[0] ?? "").endsWith("cocalc-hub"),
        );
        signalFound(one?.pid, command === "sshd" ? "SIGTERM" : "SIGKILL");
        await until("the key is there", async () => existsSync(`${keyFile}.pub`), 10_000);
        await Bun.sleep(1_000);
      }
      const after = fingerprint(readFileSync(`${keyFile}.pub`, "utf8"));
      expect(after).not.toBe(before);
      const host = await until(
        "the hub shows it",
        async () => {
          const one = await show();
          return one.problem?.code === "tunnel.host-key-changed" && one;
        },
        30_000,
      );
      expect(host.state).toBe("degraded");
      expect(host.changed_key).toMatchObject({ side: "hub", known: before, shown: after, acceptable: true });
      const told = (await hub.cli("host", "show", far)).stdout;
      for (const part of [before, after, `host accept-key ${host.name} ${after}`])
        expect(told).toContain(part);
      // Only what was shown can be accepted.
      expect((await hub.cli("host", "accept-key", far, before)).stderr).toContain("host.no-such-key-offered");
      await hub.json("host", "accept-key", far, after);
      // The echo goes round before the machine has said that the key is the one it knows.
      await until("it is ready", async () => ((await ready()) || null)?.changed_key === null, 20_000);
    },
    SLOW,
  );

  test(
    "a stranger's SSH server at the hub's address is refused, and there is nothing to accept",
    async () => {
      const file = join(machine.dataDir, "project-host/host.json");
      const state = JSON.parse(readFileSync(file, "utf8")) as { ssh_host_key: string };
      const stranger = await strangeSshd(machine.lab, hub.basePort + 1);
      try {
        const session = processesOf(machine.dataDir).find(
          ({ argv }) => argv[0] === "ssh" && argv.includes("-R"),
        );
        signalFound(session?.pid, "SIGKILL");
        const host = await until(
          "the hub shows it",
          async () => {
            const one = await show();
            return one.changed_key !== null && one.problem !== null && one;
          },
          40_000,
        );
        expect(host.changed_key).toMatchObject({
          side: "hub",
          known: fingerprint(state.ssh_host_key),
          shown: stranger.fingerprint,
          acceptable: false,
        });
        expect(host.problem?.title).toContain("not this hub's");
        const refused = await hub.cli("host", "accept-key", far, stranger.fingerprint);
        expect(refused.stderr).toContain("host.not-our-key");
      } finally {
        await stranger.stop();
      }
      // Joining again is how a person makes it try at once.
      expect((await machine.paste(await token())).code).toBe(0);
      await until("it is ready", ready, 30_000);
    },
    SLOW,
  );

  test(
    "a machine that lost its ssh folder is refused, shown with both fingerprints, and works once it is accepted",
    async () => {
      const sshDir = join(machine.dataDir, "project-host/ssh");
      const before = (await show()).key_fingerprint;
      machine.kill("SIGKILL");
      await until("it is away", async () => (await show()).state === "offline", 20_000);
      rmSync(sshDir, { recursive: true });
      machine.boot();
      const host = await until(
        "the hub shows the new key",
        async () => {
          const one = await show();
          return one.changed_key !== null && one;
        },
        40_000,
      );
      const after = fingerprint(readFileSync(join(sshDir, "host_ed25519.pub"), "utf8"));
      expect(after).not.toBe(before);
      expect(host.changed_key).toMatchObject({ side: "host", known: before, shown: after });
      expect([host.state, host.problem?.code]).toEqual(["offline", "host.key-changed"]);
      // The machine says the same, with both.
      const status = await until(
        "the machine says it",
        async () => {
          const said = (await exec([HOST_BINARY, "status", "--data-dir", machine.dataDir])).stdout;
          return said.includes("tunnel.key-offered") && said;
        },
        15_000,
      );
      for (const part of [before, after]) expect(status).toContain(part);
      // A token does not lead around it: whoever has one could claim to be any host.
      const again = await exec(
        [...machine.lab.behindNat, HOST_BINARY, "join", "--token-stdin", "--data-dir", machine.dataDir],
        { stdin: (await token()).token, timeout: 60_000 },
      );
      expect(again.stderr).toContain("host.key-changed");
      expect((await all()).length).toBe(2);
      await hub.json("host", "accept-key", far, after);
      expect((await until("it is ready", ready, 30_000)).key_fingerprint).toBe(after);
    },
    SLOW,
  );

  test(
    "the hub's own machine that lost its key is the same host again after the next start",
    async () => {
      const local = (await all()).find((one) => one.type.kind === "local");
      const { basePort } = hub;
      await machine.shutDown();
      await hub.stop();
      rmSync(join(dataDir, "project-host/ssh"), { recursive: true });
      hub = await startHub({ dataDir, basePort });
      const again = await until(
        "it is ready",
        async () => (await all()).find((one) => one.type.kind === "local" && one.state === "ready"),
        30_000,
      );
      expect(again.host_id).toBe(local?.host_id ?? "");
      expect(again.key_fingerprint).not.toBe(local?.key_fingerprint ?? "");
    },
    SLOW,
  );
});
