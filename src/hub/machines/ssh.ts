/**
 * OpenSSH's client towards a machine that an admin named: pinned to the key that was compared, and with the hub's own
 * key, or with a password that is typed once. What it says at its end becomes a cause and a fix.
 */
import { connect } from "node:net";
import { CodedError, EX, type ProblemDetails } from "../../core/errors.ts";
import { cleanEnv, exec } from "../../core/exec.ts";
import { parsePublicKey } from "../../core/ssh-public-key.ts";
import { NOT_NOW, waitedOut } from "./kept-out.ts";
import { type Target, targetText } from "./target.ts";

const CONNECT_TIMEOUT_MS = 10_000;
const BANNER = "SSH-";

export interface SshFiles {
  identity: string;
  knownHosts: string;
  askpass: string;
}

export interface SshOptions {
  /** In place of the hub's key. */
  password?: string | undefined;
  /** Before the destination: forwards. */
  extra?: readonly string[];
}

/** Pure: the argument vector, so that a golden test holds it. */
export function sshArgv(
  target: Target,
  files: SshFiles,
  command: string,
  options: SshOptions = {},
): string[] {
  const set = (option: string) => ["-o", option];
  const quoted = (path: string) => `"${path}"`;
  return [
    ...["ssh", "-T", "-F", "none", "-p", String(target.port), "-l", target.user],
    ...set("StrictHostKeyChecking=yes"),
    ...set(`UserKnownHostsFile=${quoted(files.knownHosts)}`),
    ...set("GlobalKnownHostsFile=/dev/null"),
    ...set("HostKeyAlias=machine"),
    ...set("UpdateHostKeys=no"),
    ...set(`ConnectTimeout=${CONNECT_TIMEOUT_MS / 1000}`),
    ...set("ServerAliveInterval=15"),
    ...set("ServerAliveCountMax=3"),
    ...set("ControlPath=none"),
    ...set("LogLevel=ERROR"),
    ...set("IdentitiesOnly=yes"),
    ...(options.password === undefined
      ? ["-i", files.identity, ...set("BatchMode=yes"), ...set("PreferredAuthentications=publickey")]
      : [
          ...set("PubkeyAuthentication=no"),
          ...set("PreferredAuthentications=password,keyboard-interactive"),
          ...set("NumberOfPasswordPrompts=1"),
        ]),
    ...(options.extra ?? []),
    "--",
    target.host,
    command,
  ];
}

export function sshEnv(files: SshFiles, password: string | undefined): Record<string, string> {
  return cleanEnv(
    password === undefined
      ? {}
      : { SSH_ASKPASS: files.askpass, SSH_ASKPASS_REQUIRE: "force", COCALC_SSH_PASSWORD: password },
  );
}

const FORWARD = /remote port forwarding failed|administratively prohibited/i;

/** What ssh's last words mean. Pure. `hubKey`: the line that a person may have to paste there. */
export function judgeSsh(
  stderr: string,
  target: Target,
  given: { hubKey: string; password: boolean },
): ProblemDetails {
  const where = `${target.host}, port ${target.port}`;
  const why = stderr.trim().split("\n").slice(-2).join(" ") || "ssh ended without a word.";
  const status = 409;
  if (/IDENTIFICATION HAS CHANGED|Host key verification failed|host key .* has changed/i.test(stderr)) {
    return {
      code: "machine.host-key-changed",
      title: `What answers at ${where} shows another key than the one that was confirmed`,
      why: "The machine was set up anew, another machine has its address, or somebody is in between. Nothing was sent to it.",
      fix: "Compare the key with what the machine itself prints, then look at it again and confirm the new one.",
      command: "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
      status,
      exit: EX.NOPERM,
    };
  }
  if (/Permission denied|Too many authentication failures/i.test(stderr)) {
    return {
      code: "machine.login-refused",
      title: `${target.host} refuses to let the hub in as ${target.user}`,
      why: given.password
        ? `Its SSH server takes no password, or not this one: ${why}`
        : `Its SSH server does not know the hub's key for ${target.user}: ${why}`,
      fix: `As ${target.user} on that machine run the line below, then try again.${target.user === "root" ? " If root may not sign in at all (PermitRootLogin no), name a user who may use sudo." : ""}`,
      command: `mkdir -p ~/.ssh && echo '${given.hubKey}' >> ~/.ssh/authorized_keys && chmod -R go= ~/.ssh`,
      status,
      exit: EX.NOPERM,
    };
  }
  if (FORWARD.test(stderr)) {
    return {
      code: "machine.forward-refused",
      title: `${target.host} forwards no port of its own, and has no way to the hub of its own`,
      why: `The hub would hold a way open for it: ${why}`,
      fix: "Allow it in /etc/ssh/sshd_config (AllowTcpForwarding yes) and reload sshd; see that nothing else listens on that port there; or let the machine reach the hub's SSH port by itself.",
      status,
      exit: EX.UNAVAILABLE,
    };
  }
  return reachProblem(stderr, target, why);
}

function reachProblem(said: string, target: Target, why: string): ProblemDetails {
  const where = `${target.host}, port ${target.port}`;
  const common = { why, status: 409, exit: EX.UNAVAILABLE };
  if (/Could not resolve|Name or service not known/i.test(said)) {
    return {
      code: "machine.unknown-name",
      title: `The hub's machine does not know a ${target.host}`,
      ...common,
      fix: "Type its address, or a name that the hub's DNS knows.",
    };
  }
  if (/refused/i.test(said)) {
    return {
      code: "machine.no-ssh-server",
      title: `Nothing listens at ${where}`,
      ...common,
      fix: "Start the SSH server there, or type its port: user@host:port.",
      command: "sudo apt-get install -y openssh-server",
    };
  }
  if (/No route to host|unreachable/i.test(said)) {
    return {
      code: "machine.no-route",
      title: `There is no route from the hub to ${target.host}`,
      ...common,
      fix: "Is it switched on, and in a network that the hub reaches? A machine behind NAT joins with the line to paste instead.",
    };
  }
  if (/timed? ?out|not responding/i.test(said)) {
    return {
      code: "machine.no-answer",
      title: `No answer from ${where}`,
      ...common,
      fix: "A firewall drops what the hub sends, or the machine is off. A machine behind NAT joins with the line to paste instead.",
    };
  }
  if (/kex_exchange_identification|banner|no SSH server/i.test(said)) {
    return {
      code: "machine.not-ssh",
      title: `What answers at ${where} does not speak SSH`,
      ...common,
      fix: "Type the port of its SSH server: user@host:port.",
    };
  }
  return {
    code: "machine.connection-lost",
    title: `The connection to ${target.host} ended`,
    ...common,
    fix: "Try again; what was begun is gone on with.",
  };
}

/** The first words of whatever listens there. Errors: `machine.*`, with cause and fix. */
export async function banner(target: Target): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = connect({ host: target.host, port: target.port });
    let connected = false;
    let said = "";
    const fail = (text: string, why: string) => {
      socket.destroy();
      reject(new CodedError(reachProblem(text, target, why)));
    };
    const timer = setTimeout(
      () =>
        connected
          ? fail(
              "no SSH server",
              `It took the connection and said nothing for ${CONNECT_TIMEOUT_MS / 1000} s.`,
            )
          : fail("timed out", `Nothing came back within ${CONNECT_TIMEOUT_MS / 1000} s.`),
      CONNECT_TIMEOUT_MS,
    );
    socket.on("connect", () => {
      connected = true;
    });
    socket.on("data", (bytes: Buffer) => {
      said += bytes.toString("latin1");
      if (said.length < BANNER.length) return;
      clearTimeout(timer);
      if (!said.startsWith(BANNER)) {
        if (said.startsWith(NOT_NOW.slice(0, said.length))) {
          socket.destroy();
          waitedOut(target).then(() => resolve(), reject);
          return;
        }
        fail("no SSH server", `Its first words were “${said.slice(0, 40).replace(/[^ -~]/g, "·")}”.`);
        return;
      }
      socket.end();
      resolve();
    });
    socket.on("error", (error) => {
      clearTimeout(timer);
      void refusalOf(target).then((said) => fail(said || error.message, said || error.message));
    });
    socket.on("end", () => {
      clearTimeout(timer);
      if (said.length < BANNER.length) fail("no SSH server", "It closed the connection at once.");
    });
  });
}

/** Bun calls every failed connect a refused one; ssh tells them apart. It trusts no key here, so it sends nothing. */
async function refusalOf(target: Target): Promise<string> {
  const set = (option: string) => ["-o", option];
  const { stderr } = await exec(
    [
      ...["ssh", "-T", "-F", "none", "-p", String(target.port), "-l", target.user],
      ...set("BatchMode=yes"),
      ...set("StrictHostKeyChecking=yes"),
      ...set("UserKnownHostsFile=/dev/null"),
      ...set("GlobalKnownHostsFile=/dev/null"),
      ...set(`ConnectTimeout=${CONNECT_TIMEOUT_MS / 1000}`),
      ...["--", target.host, "true"],
    ],
    { timeout: 2 * CONNECT_TIMEOUT_MS },
  );
  return stderr.trim().split("\n").at(-1) ?? "";
}

export interface HostKey {
  type: string;
  blob: string;
  fingerprint: string;
}

const KINDS = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"];

async function scan(target: Target, kind: string): Promise<{ key: HostKey | undefined; said: string }> {
  const { stdout, stderr } = await exec(
    ["ssh-keyscan", "-T", "3", "-p", String(target.port), "-t", kind, "--", target.host],
    { timeout: 20_000 },
  );
  const line = stdout
    .split("\n")
    .filter((one) => one !== "" && !one.startsWith("#"))
    .map((one) => one.split(" ").slice(1, 3).join(" "))
    .find((one) => KINDS.some((known) => one.startsWith(`${known} `)));
  return {
    key: line === undefined ? undefined : keyOf(line),
    said: stderr.trim().split("\n").at(-1) ?? "",
  };
}

/** The key that the machine shows, unverified: for a person to compare. */
export async function shownKey(target: Target): Promise<HostKey> {
  // One connection where all is well: of each that does not log in the server makes a note (kept-out.ts).
  const first = await scan(target, "ed25519");
  if (first.key !== undefined) return first.key;
  await banner(target);
  let said = first.said;
  for (const kind of ["ed25519", "ecdsa", "rsa"]) {
    const next = await scan(target, kind);
    if (next.key !== undefined) return next.key;
    said = next.said;
  }
  throw new CodedError({
    code: "machine.no-host-key",
    title: `${targetText(target)} shows no key that can be pinned`,
    why: said || "It offered none of Ed25519, ECDSA (P-256) and RSA.",
    fix: "See the log of its SSH server; ssh-keygen -A makes missing keys.",
    status: 409,
    exit: EX.PROTOCOL,
  });
}

export function keyOf(line: string): HostKey {
  const { type, blob, fingerprint } = parsePublicKey(line);
  return { type, blob, fingerprint };
}
