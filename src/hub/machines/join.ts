/** The operation that makes a machine a host: look, sign in, run the installer, and wait until it is really there. */
import { dirname } from "node:path";
import type { Host } from "../../contract/api.ts";
import { decodeJoinToken, encodeJoinToken } from "../../contract/join-token.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { VERSION } from "../../core/version.ts";
import { LOCAL_ADMIN } from "../accounts/caller.ts";
import { createRelease } from "../artifacts/release.ts";
import type { HubCore } from "../core.ts";
import type { MachineTable } from "../db/schema.ts";
import type { OperationContext } from "../operations/operations.ts";
import authorizeScript from "./authorize.sh" with { type: "text" };
import { installerProblem, progressOf } from "./installer-said.ts";
import lookScript from "./look.sh" with { type: "text" };
import { judgeLook } from "./look.ts";
import { JOIN_KIND, joinInput, type Machines } from "./machines.ts";
import installScript from "./run-installer.sh" with { type: "text" };
import { runOn, withValues } from "./session.ts";
import { banner, keyOf, shownKey } from "./ssh.ts";
import { parseTarget } from "./target.ts";

const LOOK_TIMEOUT_MS = 60_000;
/** Packages over a slow line, behind another package manager that holds the lock for ten minutes. */
const INSTALL_TIMEOUT_MS = 30 * 60_000;
const READY_TIMEOUT_MS = 180_000;
const POLL_MS = 500;
const SSHD_TIMEOUT_MS = 20_000;
/** Of a join token. */
const MAX_ADDRESSES = 16;

/** The hub's own sshd, which starts within a second of being needed; without it the next steps say what is wrong. */
async function sshdAnswers(port: number): Promise<void> {
  const end = Date.now() + SSHD_TIMEOUT_MS;
  while (Date.now() < end) {
    try {
      await banner({ user: "hub", host: "127.0.0.1", port });
      return;
    } catch {
      await Bun.sleep(POLL_MS);
    }
  }
}

export function registerJoin(core: HubCore, machines: Machines): void {
  const { hosts, tokens, identity } = core;
  const release = createRelease(dirname(process.execPath), VERSION);

  async function waitReady(machine: MachineTable, tokenId: string, context: OperationContext): Promise<Host> {
    const [token] = (await tokens.list(LOCAL_ADMIN)).filter((one) => one.token_id === tokenId);
    const hostId = token?.used_by_host_id ?? machine.host_id;
    if (hostId == null) {
      throw new CodedError({
        code: "machine.not-paired",
        title: `The installer ran on ${machine.target}, but nobody paired with this hub`,
        why: "It came to its end without using the join token.",
        fix: "See its log there, then try again.",
        command: "journalctl -u 'cocalc-*' -n 50",
      });
    }
    await machines.update(machine.machine_id, { host_id: hostId });
    const end = Date.now() + READY_TIMEOUT_MS;
    for (;;) {
      const host = await hosts.find(hostId);
      if (host?.state === "ready" || host?.state === "degraded") return host;
      if (context.signal.aborted)
        throw new CodedError({ code: "operation.cancelled", title: "It was cancelled" });
      if (Date.now() > end) {
        throw new CodedError({
          code: "machine.not-ready-in-time",
          title: `${machine.target} was installed and paired, but is not ready`,
          why:
            host?.problem?.title ??
            `After ${READY_TIMEOUT_MS / 1000} s its state is ${host?.state ?? "unknown"}.`,
          fix: host?.problem?.fix ?? "It goes on trying; its page shows how far it came.",
          exit: EX.TEMPFAIL,
        });
      }
      await Bun.sleep(POLL_MS);
    }
  }

  core.operations.register(JOIN_KIND, {
    steps: [
      ["reached", "It shows the key that was confirmed"],
      ["signed-in", "The hub is let in"],
      ["looked", "It will do"],
      ["way", "It has a way to the hub"],
      ["installed", "The installer ran"],
      ["ready", "It is a host of this hub"],
    ],
    async run(context) {
      const input = joinInput.parse(context.input);
      const machine = await machines.row(context.subject_id);
      if (!machine)
        throw new CodedError({ code: "machine.removed", title: `${input.target} was removed meanwhile` });
      const target = parseTarget(machine.target);
      const password = machines.password(context.operation_id);
      const hubKey = machines.hubKey();
      let installed = false;
      let token: { token_id: string; token: string } | undefined;
      const common = { hubKey, signal: context.signal, timeoutMs: LOOK_TIMEOUT_MS };
      try {
        await context.step("reached", { state: "running" });
        if ((await shownKey(target)).blob !== keyOf(machine.host_key).blob) {
          throw new CodedError({
            code: "machine.host-key-changed",
            title: `${machine.target} shows another key than the one that was confirmed`,
            why: "The machine was set up anew, another has its address, or somebody is in between. Nothing was sent to it.",
            fix: "Look at it again, and compare the key with what the machine itself prints.",
          });
        }
        await context.step("reached", { state: "done", detail: keyOf(machine.host_key).fingerprint });

        const files = machines.filesOf(machine);
        await context.step("signed-in", { state: "running" });
        if (input.with_password) {
          if (password === undefined) {
            throw new CodedError({
              code: "machine.password-lost",
              title: "The hub restarted, and the password is kept nowhere",
              fix: "Add the machine again: it goes on where it was.",
            });
          }
          await runOn(target, files, withValues({ KEY: hubKey }, authorizeScript), { ...common, password });
        }
        // Now, since the hub's sshd runs only while somebody may need it, and the machine is asked whether it reaches it.
        token = await tokens.create({ ...LOCAL_ADMIN, name: "the hub" }, "self-host");
        await core.keysChanged();
        await sshdAnswers(core.ports.sshd);
        const looked = await runOn(
          target,
          files,
          password === undefined ? lookScript : withValues({ SUDO_PASSWORD: password }, lookScript),
          {
            ...common,
            args: [
              String(identity.sshd_port),
              identity.ssh_fingerprint(),
              ...identity.addresses().slice(0, MAX_ADDRESSES),
            ],
          },
        );
        await context.step("signed-in", {
          state: "done",
          detail: [
            input.with_password ? "the hub's key was added to its authorized_keys" : "with the hub's key",
            ...(looked.noise === ""
              ? []
              : [`its shell profile prints (“${looked.noise.slice(0, 60)}”), which breaks scp and rsync`]),
          ].join("; "),
        });

        await context.step("looked", { state: "running" });
        const facts = judgeLook(looked.lines, target, identity.addresses());
        await context.step("looked", {
          state: "done",
          detail: `${facts.os}, ${facts.arch}, ${facts.rights === "root" ? "as root" : "with sudo"}`,
        });

        await context.step("way", { state: "running" });
        if (facts.direct === "") {
          const way = machines.holdTo(machine);
          await way.first().catch((problem) => {
            machines.letGo(machine.machine_id);
            throw new CodedError(problem);
          });
        } else machines.letGo(machine.machine_id);
        await machines.update(machine.machine_id, { held: facts.direct === "" ? 1 : 0 });
        await context.step("way", {
          state: "done",
          detail:
            facts.direct === "" ? "none of its own: the hub holds one open" : `it reaches ${facts.direct}`,
        });

        await context.step("installed", { state: "running" });
        // What leads somewhere goes first: each of the others may be a time-out long.
        const first = facts.direct === "" ? "127.0.0.1" : facts.direct;
        const addresses = [first, ...identity.addresses().filter((one) => one !== first)].slice(
          0,
          MAX_ADDRESSES,
        );
        const text = encodeJoinToken({ ...decodeJoinToken(token.token), addresses });
        const ran = await runOn(
          target,
          files,
          withValues(
            {
              RIGHTS: facts.rights,
              TOKEN: text,
              INSTALLER: release.script(identity.tls_pin()),
              ...(password === undefined ? {} : { SUDO_PASSWORD: password }),
            },
            installScript,
          ),
          {
            ...common,
            timeoutMs: INSTALL_TIMEOUT_MS,
            args: [
              "--join",
              ...(input.base_port === undefined ? [] : ["--base-port", String(input.base_port)]),
              ...(input.data_dir === undefined ? [] : ["--data-dir", input.data_dir]),
              ...(input.replace === true ? ["--replace"] : []),
            ],
            onLine(line) {
              const detail = progressOf(line);
              if (detail !== undefined) void context.step("installed", { state: "running", detail });
            },
          },
        );
        if (ran.status !== 0) throw new CodedError(installerProblem(ran.lines, ran.status, target));
        installed = true;
        await context.step("installed", { state: "done" });

        await context.step("ready", { state: "running" });
        const host = await waitReady(machine, token.token_id, context);
        await context.step("ready", {
          state: "done",
          detail:
            host.state === "degraded" ? `${host.name}, degraded: ${host.problem?.title ?? ""}` : host.name,
        });
      } catch (error) {
        if (!installed && token) await tokens.revoke(LOCAL_ADMIN, token.token_id);
        // Nothing there needs it yet.
        if (!installed && machine.held === 0) {
          machines.letGo(machine.machine_id);
          await machines.update(machine.machine_id, { held: 0 });
        }
        throw error;
      } finally {
        machines.forgetPassword(context.operation_id);
      }
    },
  });
}
