import { describe, expect, test } from "bun:test";
import { renderAuthorizedKeys, renderSshdConfig, shellWord } from "./render.ts";

const config = {
  port: 9201,
  hostKey: "/data/ssh/host_ed25519",
  authorizedKeys: "/data/ssh/authorized_keys",
};
const GOLDEN_9_2 = `# Rendered by cocalc-hub at each start; changes here are lost.
Port 9201
HostKey /data/ssh/host_ed25519
PidFile none
AuthorizedKeysFile /data/ssh/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PubkeyAuthentication yes
PermitRootLogin prohibit-password
AllowAgentForwarding no
X11Forwarding no
AllowStreamLocalForwarding no
AllowTcpForwarding yes
GatewayPorts clientspecified
PermitTunnel no
PermitUserRC no
PermitUserEnvironment no
PrintMotd no
ClientAliveInterval 15
ClientAliveCountMax 3
MaxStartups 100:30:200
LogLevel VERBOSE
Subsystem sftp /bin/false
`;

describe("sshd_config", () => {
  test("OpenSSH 9.2 (Debian 12)", () => {
    expect(renderSshdConfig({ ...config, version: [9, 2] })).toBe(GOLDEN_9_2);
  });
  test("OpenSSH 10.0 (Debian 13) punishes source addresses unless told not to", () => {
    expect(renderSshdConfig({ ...config, version: [10, 0] })).toBe(`${GOLDEN_9_2}PerSourcePenalties no\n`);
    expect(renderSshdConfig({ ...config, version: [9, 8] })).toContain("PerSourcePenalties no");
    expect(renderSshdConfig({ ...config, version: [9, 7] })).not.toContain("PerSourcePenalties");
  });
  test("a data dir with a space and a percent sign stays one path", () => {
    const text = renderSshdConfig({ ...config, hostKey: "/my data/50%/key", version: [9, 2] });
    expect(text).toContain('HostKey "/my data/50%%/key"\n');
  });
});

test("a forced command's word is quoted only where it must be", () => {
  expect(shellWord("/a/b-c_1.2")).toBe("/a/b-c_1.2");
  expect(shellWord("/my data")).toBe("'/my data'");
  expect(shellWord("it's $(id)")).toBe("'it'\\''s $(id)'");
});

test("authorized_keys: every line begins with restrict, and names exactly what its key may do", () => {
  const text = renderAuthorizedKeys(
    [{ host_id: "h1", public_key: "ssh-ed25519 AAA", http_port: 10300, ssh_port: 9300 }],
    [{ token_id: "t1", public_key: "ssh-ed25519 BBB", expires_at: "2026-11-24T12:30:00.123Z" }],
    {
      tunnelSession: "/data/ssh/tunnel-session",
      jumpSession: "/data/ssh/jump-session",
      runDir: "/data/run",
      pairCommand: (id) => `exec '/bin/cocalc-hub' pair-handshake --token ${id}`,
      httpsPort: 9200,
    },
    [],
    [
      { type: "ssh-rsa", blob: "CCC", ports: [9300, 9301] },
      { type: "ssh-ed25519", blob: "DDD", ports: [] },
    ],
  );
  expect(text).toBe(
    `restrict,port-forwarding,command="exec /data/ssh/tunnel-session /data/run/tunnel-h1",permitlisten="127.0.0.1:10300",permitlisten="0.0.0.0:9300",permitopen="127.0.0.1:9200" ssh-ed25519 AAA host h1
restrict,expiry-time="20261124123000Z",command="exec '/bin/cocalc-hub' pair-handshake --token t1" ssh-ed25519 BBB pairing t1
restrict,port-forwarding,command="exec /data/ssh/jump-session",permitlisten="no-listen.invalid:1",permitopen="127.0.0.1:9300",permitopen="127.0.0.1:9301" ssh-rsa CCC jump
`,
  );
});
