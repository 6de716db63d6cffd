import { expect, test } from "bun:test";
import { nextBackoff } from "./command.ts";
import { judgeEnd, sshArgv, tunnelCiphers } from "./tunnel.ts";

const options = {
  address: "198.18.1.1",
  sshdPort: 9201,
  user: "cocalc",
  identity: "/d/ssh/host_ed25519",
  knownHosts: "/d/ssh/known_hosts",
  remote: { http: 10300, ssh: 9300 },
  local: { http: 9002, ssh: 9003 },
  hubHttps: 9200,
  localHub: 9004,
};
const common =
  "ssh -T -F none -p 9201 -i /d/ssh/host_ed25519 -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=/d/ssh/known_hosts -o GlobalKnownHostsFile=/dev/null -o HostKeyAlias=cocalc-hub -o ServerAliveInterval=15 -o ServerAliveCountMax=3 -o ExitOnForwardFailure=yes -o ConnectTimeout=10 -o ControlPath=none -o LogLevel=ERROR";

test("the tunnel's argument vector", () => {
  expect(sshArgv(options).join(" ")).toBe(
    `${common} -R 127.0.0.1:10300:127.0.0.1:9002 -R 0.0.0.0:9300:127.0.0.1:9003 -L 127.0.0.1:9004:127.0.0.1:9200 cocalc@198.18.1.1`,
  );
});

test("AES-GCM first where the processor has instructions for AES, ssh's own choice elsewhere", () => {
  const x86 = tunnelCiphers("processor\t: 0\nflags\t\t: fpu sse2 aes avx2\n");
  expect(x86.ciphers).toStartWith("aes128-gcm@openssh.com,");
  expect(tunnelCiphers("Features\t: fp asimd evtstrm aes pmull sha1\n")).toEqual(x86);
  expect(tunnelCiphers("Features\t: fp asimd evtstrm crc32 cpuid\n")).toEqual({});
  expect(tunnelCiphers("flags : fpu vaes_like\n")).toEqual({});
  expect(sshArgv({ ...options, ...x86 }).join(" ")).toContain(`-o Ciphers=${x86.ciphers} -R `);
  expect(sshArgv({ ...options, ...x86 }, ["takeover"]).join(" ")).toContain("-o Ciphers=aes128-gcm");
});

test("a takeover asks for no forward", () => {
  expect(sshArgv(options, ["takeover"]).join(" ")).toBe(`${common} cocalc@198.18.1.1 takeover`);
});

test("ssh's last words are understood", () => {
  const kind = (text: string) => judgeEnd(text, options).kind;
  expect(kind("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.")).toBe(
    "host-key",
  );
  expect(kind("cocalc@198.18.1.1: Permission denied (publickey).")).toBe("refused");
  expect(kind("Error: remote port forwarding failed for listen port 10300")).toBe("ports-busy");
  expect(kind("ssh: connect to host 198.18.1.1 port 9201: Connection refused")).toBe("lost");
  expect(kind("")).toBe("lost");
});

test("backoff: at most 10 s while the network is down, 10 min after a refusal, half a second to take over", () => {
  expect(nextBackoff("lost", 0, 1)).toBe(500);
  expect(nextBackoff("lost", 50, 1)).toBe(10_000);
  expect(nextBackoff("lost", 50, 0)).toBe(5_000);
  expect(nextBackoff("refused", 50, 1)).toBe(600_000);
  expect(nextBackoff("host-key", 50, 1)).toBe(600_000);
  expect(nextBackoff("ports-busy", 50, 1)).toBe(500);
});
