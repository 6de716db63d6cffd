import { expect, test } from "bun:test";
import type { SshConfigData } from "../../contract/api-ssh.ts";
import { generateKeyPair } from "../../core/ssh-keys.ts";
import { aliases, placeBlock, renderBlock, renderKnownHosts } from "./block.ts";

const HUB = "99999999-0000-4000-8000-000000000000";
const A = "11111111-2222-4333-8444-555555555555";
const B = "aaaaaaaa-2222-4333-8444-555555555555";
const near = generateKeyPair().publicLine;
const hub = generateKeyPair().publicLine;
const data: SshConfigData = {
  hub_id: HUB,
  addresses: ["hub.example"],
  jump: { user: "cocalc", port: 9201, host_key: hub, fingerprint: "SHA256:x" },
  gateways: [
    {
      host_id: "h1",
      host_name: "near",
      port: 9300,
      host_key: near,
      fingerprint: "SHA256:y",
      listening: true,
    },
    { host_id: "h2", host_name: "new", port: 9301, host_key: null, fingerprint: null, listening: false },
  ],
  projects: [
    { project_id: A, name: "Sensor Firmware (v2)", host_id: "h1" },
    { project_id: B, name: "not yet", host_id: "h2" },
  ],
};
const options = { address: "hub.example", jumped: new Set<string>() };

test("a host for each project whose host key is known; then everything is for every host again", () => {
  expect(renderBlock(data, options)).toBe(`# BEGIN cocalc ${HUB}
# Written by \`cocalc-hub ssh-config\`; what is changed between these two lines is lost.
Host sensor-firmware-v2.cocalc ${A}.cocalc
  HostName hub.example
  Port 9300
  User ${A}
  HostKeyAlias cocalc-host-h1
  UserKnownHostsFile ~/.ssh/known_hosts.cocalc
Host *
# END cocalc ${HUB}
`);
});

test("a host that cannot be reached goes through the hub's sshd", () => {
  const block = renderBlock(data, { ...options, jumped: new Set(["h1"]) });
  expect(block).toContain(`Host cocalc-jump-99999999
  HostName hub.example
  Port 9201
  User cocalc
  HostKeyAlias cocalc-hub-${HUB}`);
  expect(block).toContain("  HostName 127.0.0.1\n  Port 9300");
  expect(block).toContain("  ProxyJump cocalc-jump-99999999");
});

test("names, addresses and keys cannot add a line", () => {
  const evil = { project_id: A, name: "x\nProxyCommand touch /tmp/pwned\n*", host_id: "h1" };
  expect(renderBlock({ ...data, projects: [evil] }, options)).toContain(
    `Host x-proxycommand-touch-tmp-pwned.cocalc ${A}.cocalc`,
  );
  expect(() => renderBlock(data, { ...options, address: "a\nProxyCommand x" })).toThrow("address");
  expect(() => renderBlock(data, { ...options, address: "-oProxyCommand=x" })).toThrow("address");
  expect(() =>
    renderKnownHosts({
      ...data,
      jump: { user: "c", port: 1, host_key: "ssh-ed25519 x\n* y", fingerprint: "" },
    }),
  ).toThrow();
});

test("two projects of one name are told apart; one without a letter has a name too", () => {
  const two = [
    { project_id: A, name: "Thesis", host_id: "h" },
    { project_id: B, name: "thesis!", host_id: "h" },
    { project_id: HUB, name: "量子", host_id: "h" },
  ];
  expect([...aliases(two).values()]).toEqual(["thesis-11111111", "thesis-aaaaaaaa", "project"]);
});

test("the rest of the file is not touched: a new block on top, then always in its place", () => {
  const own = "User bob\nHost *\n  Compression yes\r\n# END\n\n\tHost old";
  const first = placeBlock(own, renderBlock(data, options), HUB);
  expect(first.endsWith(own)).toBe(true);
  const block = renderBlock({ ...data, projects: [] }, options);
  const moved = `Host a\n${first}`;
  const second = placeBlock(moved, block, HUB);
  expect(second).toBe(`Host a\n${block}\n${own}`);
  expect(placeBlock(second, block, HUB)).toBe(second);
  const other = renderBlock({ ...data, hub_id: A }, options);
  expect(placeBlock(second, other, A)).toBe(`${other}\n${second}`);
  expect(() => placeBlock(`# BEGIN cocalc ${HUB}\nHost x\n`, block, HUB)).toThrow("lost its last line");
});

test("host keys by alias; those of another hub stay, an old one of ours goes", () => {
  const before = `cocalc-host-other ${near}\ncocalc-host-h1 ssh-ed25519 OLD\n`;
  expect(renderKnownHosts(data, before)).toBe(
    `cocalc-host-other ${near}\ncocalc-hub-${HUB} ${hub}\ncocalc-host-h1 ${near}\n`,
  );
});
