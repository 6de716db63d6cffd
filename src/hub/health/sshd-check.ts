/** The hub's sshd, asked from outside as a scanner does: is the key on the port the one in join tokens? */
import { createConnection } from "node:net";
import { exec } from "../../core/exec.ts";
import { type CheckDefinition, fail, type Outcome, ok, skipped, unknown } from "./check.ts";

export interface SshdCheckDeps {
  port: number;
  /** `ssh-ed25519 AAAA…` as printed in join tokens; null before the first start. */
  publicKey(): Promise<string | null>;
  /** Whether sshd should be running: a host or a live join token. */
  needed(): Promise<boolean>;
  /** Seconds until a server that keeps silent is given up; below the time limit of a check. 10 unless said. */
  patience?: number;
}

/** The key a scanner sees on the port; null with what the scanner said, which may be nothing. */
async function scanKey(port: number, seconds: number): Promise<{ key: string | null; said: string }> {
  const scan = ["ssh-keyscan", "-T", String(seconds), "-p", String(port), "-t", "ed25519", "127.0.0.1"];
  const { stdout, stderr } = await exec(scan);
  const line = stdout.split("\n").find((text) => text.includes(" ssh-ed25519 "));
  return { key: line?.split(" ").slice(1, 3).join(" ") ?? null, said: stderr.trim() };
}

/** Whether anything listens there. On loopback the kernel answers at once, however busy the server is. */
function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: "127.0.0.1", port });
    const finish = (open: boolean) => {
      socket.destroy();
      resolve(open);
    };
    socket.once("connect", () => finish(true));
    socket.once("error", () => finish(false));
  });
}

/** Why no key was seen: nothing listens, it kept silent (which says nothing of its state), or it hung up. */
async function withoutKey(port: number, patience: number, waited: number, said: string): Promise<Outcome> {
  if (!(await listens(port))) {
    return fail(`nothing on port ${port}`, {
      code: "sshd.not-running",
      title: `No SSH server answers on port ${port}`,
      why: "The port is closed.",
      fix: "Its log says why it ended. It is restarted by itself once the cause is gone.",
      command: "journalctl -u cocalc-sshd -n 50",
    });
  }
  if (waited >= patience) {
    return unknown({
      code: "sshd.no-answer",
      title: `The SSH server on port ${port} showed no key within ${patience} s`,
      why: "The port is open, so something listens there; under heavy load a server can be this slow.",
      fix: "Run the checks again. If it stays so, look at its log, and restart it.",
      command: "journalctl -u cocalc-sshd -n 50",
    });
  }
  return fail(`port ${port} shows no key`, {
    code: "sshd.no-key",
    title: `What listens on port ${port} hangs up without showing an SSH key`,
    why:
      said ||
      "Another server holds the port, or ours turns connections away: too many wait to be let in, or it is ending.",
    fix: "See who listens there. If it is another server, stop it, or give this hub another base port; if it is ours, its log says why.",
    command: `ss -ltnp 'sport = :${port}'`,
  });
}

export function sshdCheck(group: string, deps: SshdCheckDeps): CheckDefinition {
  const { port, patience = 10 } = deps;
  return {
    code: "sshd.running",
    group,
    name: "OpenSSH server and its key",
    async run() {
      const expected = await deps.publicKey();
      const began = performance.now();
      const { key, said } = await scanKey(port, patience);
      if (key === null) {
        if (!(await deps.needed())) return skipped("not needed: no host yet, and no join token is live");
        return withoutKey(port, patience, (performance.now() - began) / 1000, said);
      }
      if (expected === null || key !== expected.split(" ").slice(0, 2).join(" ")) {
        return fail(`port ${port} shows another key`, {
          code: "sshd.wrong-key",
          title: `The SSH server on port ${port} is not ours`,
          why: "It shows a host key other than the one in join tokens: another server holds the port, or the key file was replaced.",
          fix: "Stop the other server, or give this hub another base port.",
          command: `ss -ltnp 'sport = :${port}'`,
        });
      }
      return ok(`answers on port ${port} with the printed key`);
    },
  };
}
