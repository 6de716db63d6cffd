/** What a machine told of itself before anything is changed on it, and whether that will do. */
import { CodedError, EX } from "../../core/errors.ts";
import type { Target } from "./target.ts";

export interface MachineFacts {
  arch: "x64" | "arm64";
  os: string;
  rights: "root" | "sudo" | "password";
  /** The address of the hub that it reaches by itself; empty: none. */
  direct: string;
}

const ARCHES: Record<string, MachineFacts["arch"]> = { x86_64: "x64", aarch64: "arm64" };

/** Pure. `lines` come from the machine: anything may stand there. Errors: `machine.*`. */
export function judgeLook(
  lines: readonly string[],
  target: Target,
  hubAddresses: readonly string[],
): MachineFacts {
  const said = new Map(
    lines.slice(0, 50).flatMap((line) => {
      const at = line.indexOf("=");
      return at > 0
        ? [[line.slice(0, at), line.slice(at + 1, at + 200).replace(/[^ -~]/g, "")] as const]
        : [];
    }),
  );
  const get = (name: string) => said.get(name) ?? "";
  const refuse = (problem: { code: string; title: string; why: string; fix: string; command?: string }) =>
    new CodedError({ ...problem, status: 409, exit: EX.CONFIG });
  const { user, host } = target;
  const arch = ARCHES[get("arch")];
  if (arch === undefined) {
    throw refuse({
      code: "machine.wrong-architecture",
      title: `${host} cannot run the programs`,
      why: `Its processor is ${get("arch") || "unknown"}; they exist for x86_64 and aarch64.`,
      fix: "Use an x86-64 or arm64 machine.",
    });
  }
  if (!get("kernel").startsWith("Linux ")) {
    throw refuse({
      code: "machine.not-linux",
      title: `${host} is no Linux machine`,
      why: `It runs ${get("kernel") || "something else"}.`,
      fix: "Use a machine with Debian, Ubuntu or another Linux with glibc.",
    });
  }
  const rights = get("rights");
  const sudoLine = `echo '${user} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/cocalc-join`;
  if (rights === "no-sudo") {
    throw refuse({
      code: "machine.no-sudo",
      title: `${user} on ${host} is not root, and there is no sudo`,
      why: "Packages, service users and containers with user ids of their own need root for once.",
      fix: "Name root@…, or install sudo there and let this user use it.",
      command: "apt-get install -y sudo",
    });
  }
  if (rights === "asks") {
    throw refuse({
      code: "machine.sudo-asks",
      title: `sudo on ${host} wants a password of ${user}, or lets that user do nothing`,
      why: "The hub signed in with its key, and has no password to give.",
      fix: "Type the password too: it is used for this once and kept nowhere. Or, as root there, allow it without one, and remove that file when the machine has joined:",
      command: sudoLine,
    });
  }
  if (rights !== "root" && rights !== "sudo" && rights !== "password") {
    throw refuse({
      code: "machine.no-sudo",
      title: `sudo on ${host} refuses ${user}`,
      why: "The password is not the right one, or this user may not use sudo.",
      fix: "Name root@… or a user who may use sudo, or, as root there, allow it:",
      command: sudoLine,
    });
  }
  if (get("curl") === "no") {
    throw refuse({
      code: "machine.no-curl",
      title: `There is no curl on ${host}`,
      why: "It fetches the programs from the hub.",
      fix: "Install it there, then try again.",
      command: "apt-get install -y curl",
    });
  }
  const direct = get("direct");
  return { arch, os: get("os") || "Linux", rights, direct: hubAddresses.includes(direct) ? direct : "" };
}
