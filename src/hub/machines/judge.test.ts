import { expect, test } from "bun:test";
import { installerProblem, progressOf } from "./installer-said.ts";
import { judgeLook } from "./look.ts";
import { quote, shellWords, withValues } from "./session.ts";
import { judgeSsh, sshArgv } from "./ssh.ts";
import { parseTarget } from "./target.ts";

const target = parseTarget("ada@box:2222");
const files = { identity: "/data dir/key", knownHosts: "/data dir/known", askpass: "/data dir/askpass" };

test("ssh's argument vector: pinned, nothing of the user's configuration, the destination behind --", () => {
  const key = sshArgv(target, files, "sh -s");
  expect(key.slice(0, 8)).toEqual(["ssh", "-T", "-F", "none", "-p", "2222", "-l", "ada"]);
  expect(key).toContain("StrictHostKeyChecking=yes");
  expect(key).toContain('UserKnownHostsFile="/data dir/known"');
  expect(key).toContain("BatchMode=yes");
  expect(key.slice(-3)).toEqual(["--", "box", "sh -s"]);
  const password = sshArgv(target, files, "sh -s", { password: "secret" });
  expect(password.join(" ")).not.toContain("secret");
  expect(password).toContain("PubkeyAuthentication=no");
});

test("what ssh says at its end has a cause and a fix", () => {
  const code = (text: string) =>
    judgeSsh(text, target, { hubKey: "ssh-ed25519 AAAA hub", password: false }).code;
  expect(code("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @")).toBe("machine.host-key-changed");
  expect(code("ada@box: Permission denied (publickey,password).")).toBe("machine.login-refused");
  expect(code("ssh: connect to host box port 2222: Connection refused")).toBe("machine.no-ssh-server");
  expect(code("ssh: connect to host box port 2222: No route to host")).toBe("machine.no-route");
  expect(code("ssh: connect to host box port 2222: Connection timed out")).toBe("machine.no-answer");
  expect(code("ssh: Could not resolve hostname box: Name or service not known")).toBe("machine.unknown-name");
  expect(code("kex_exchange_identification: Connection closed by remote host")).toBe("machine.not-ssh");
  expect(code("Error: remote port forwarding failed for listen port 9200")).toBe("machine.forward-refused");
  expect(code("Connection to box closed by remote host.")).toBe("machine.connection-lost");
});

test("values go into a script in quotes, words for the login shell need none", () => {
  expect(quote("it's; $(id)")).toBe(`'it'\\''s; $(id)'`);
  expect(withValues({ A: "1", B: "x y" }, "main")).toBe("A='1'\nB='x y'\nmain");
  expect(shellWords(["sh", "-s", "--", "SHA256:a+b/c"])).toBe("sh -s -- SHA256:a+b/c");
  expect(() => shellWords(["a b"])).toThrow("quoting");
});

test("a machine's answers are judged, and believed only where they fit", () => {
  const said = [
    "arch=x86_64",
    "kernel=Linux 6.1.0",
    "os=Debian 12",
    "rights=sudo",
    "curl=yes",
    "direct=10.0.0.1",
  ];
  expect(judgeLook(said, target, ["10.0.0.1"])).toEqual({
    arch: "x64",
    os: "Debian 12",
    rights: "sudo",
    direct: "10.0.0.1",
  });
  // An address that is none of the hub's is no way to it.
  expect(judgeLook(said, target, ["10.0.0.2"]).direct).toBe("");
  const refused = (...lines: string[]) => {
    try {
      judgeLook([...said, ...lines], target, []);
      return "taken";
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  expect(refused("arch=riscv64")).toBe("machine.wrong-architecture");
  expect(refused("kernel=FreeBSD 14")).toBe("machine.not-linux");
  expect(refused("rights=no-sudo")).toBe("machine.no-sudo");
  expect(refused("rights=refused")).toBe("machine.no-sudo");
  expect(refused("rights=asks")).toBe("machine.sudo-asks");
  expect(refused("curl=no")).toBe("machine.no-curl");
});

test("the installer's red lines become the cause, their fixes the fix", () => {
  const red = [
    "checking this machine (nothing is changed yet):",
    "  ok   system: Debian 12",
    "  BAD  kernel: 4.19",
    "       fix: Use a kernel of 5.12 or later.",
    "error: this machine is not ready; nothing was changed",
  ];
  expect(installerProblem(red, 69, target)).toMatchObject({
    code: "machine.not-ready",
    why: "kernel: 4.19",
    fix: "Use a kernel of 5.12 or later.",
  });
  const lock = [
    "  waiting for another package manager to finish: apt-get (pid 7) holds /x",
    "E: Could not get lock /x. It is held by process 7 (apt-get)",
    "error: the packages could not be installed",
  ];
  expect(installerProblem(lock, 69, target)).toMatchObject({
    code: "machine.apt-busy",
    why: expect.stringContaining("apt-get (pid 7)"),
  });
  const other = [
    "error: The hub refuses this join token  [join.token-used]",
    "  why: A token is for one.",
    "  fix: Make a new one.",
  ];
  expect(installerProblem(other, 77, target)).toMatchObject({
    code: "machine.install-failed",
    why: "The hub refuses this join token  [join.token-used]: A token is for one.",
    fix: "Make a new one.",
  });
  expect(progressOf("[packages] installing: podman")).toBe("installing: podman");
  expect(progressOf("  ok   system: Debian 12")).toBeUndefined();
});
