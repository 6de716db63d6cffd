/**
 * The block that `cocalc-hub ssh-config` keeps in ~/.ssh/config, and the host keys beside it. Pure. What comes from
 * the hub is somebody else's text: names become words of `a-z0-9-`, addresses and keys are checked, so that nothing
 * can add a line of its own.
 */
import type { SshConfigData } from "../../contract/api-ssh.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { normalizePublicLine } from "../../core/ssh-keys.ts";

export const KNOWN_HOSTS = "known_hosts.cocalc";

const begin = (hubId: string) => `# BEGIN cocalc ${hubId}`;
const end = (hubId: string) => `# END cocalc ${hubId}`;

function checked(address: string): string {
  if (/^[A-Za-z0-9]([A-Za-z0-9.:-]{0,252}[A-Za-z0-9])?$/.test(address)) return address;
  throw new CodedError({
    code: "ssh-config.bad-address",
    title: "The hub's address cannot stand in an SSH configuration",
    why: address.slice(0, 100),
    fix: "Give the right one with --address.",
    exit: EX.DATAERR,
  });
}

/** `Sensor Firmware (v2)` → `sensor-firmware-v2`; two alike get the beginning of their ids. */
export function aliases(projects: SshConfigData["projects"]): Map<string, string> {
  const slug = (name: string) =>
    name
      .normalize("NFKD")
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, "-")
      .replace(/^-+|-+$/g, "")
      .slice(0, 40) || "project";
  const count = new Map<string, number>();
  for (const { name } of projects) count.set(slug(name), (count.get(slug(name)) ?? 0) + 1);
  return new Map(
    projects.map(({ project_id, name }) => [
      project_id,
      (count.get(slug(name)) ?? 0) > 1 ? `${slug(name)}-${project_id.slice(0, 8)}` : slug(name),
    ]),
  );
}

export interface BlockOptions {
  /** The hub as this machine reaches it. */
  address: string;
  /** Hosts whose SSH port this machine cannot reach: through the hub's sshd. */
  jumped: ReadonlySet<string>;
}

export function renderBlock(data: SshConfigData, options: BlockOptions): string {
  const address = checked(options.address);
  const names = aliases(data.projects);
  const lines = [
    begin(data.hub_id),
    "# Written by `cocalc-hub ssh-config`; what is changed between these two lines is lost.",
  ];
  const known = `UserKnownHostsFile ~/.ssh/${KNOWN_HOSTS}`;
  const jumper = `cocalc-jump-${data.hub_id.slice(0, 8)}`;
  const jumps = data.jump !== null && data.gateways.some((one) => options.jumped.has(one.host_id));
  if (jumps && data.jump !== null) {
    lines.push(
      `Host ${jumper}`,
      `  HostName ${address}`,
      `  Port ${data.jump.port}`,
      `  User ${checked(data.jump.user)}`,
      `  HostKeyAlias cocalc-hub-${data.hub_id}`,
      `  ${known}`,
    );
  }
  for (const project of data.projects) {
    const gateway = data.gateways.find((one) => one.host_id === project.host_id);
    if (gateway?.host_key == null) continue;
    const through = jumps && options.jumped.has(gateway.host_id);
    lines.push(
      `Host ${names.get(project.project_id)}.cocalc ${project.project_id}.cocalc`,
      // Through the hub the port is its own loopback's.
      `  HostName ${through ? "127.0.0.1" : address}`,
      `  Port ${gateway.port}`,
      `  User ${project.project_id}`,
      `  HostKeyAlias cocalc-host-${gateway.host_id}`,
      `  ${known}`,
      ...(through ? [`  ProxyJump ${jumper}`] : []),
    );
  }
  // Options that stand above the first Host of the file belong to every host; below ours they must again.
  lines.push("Host *", end(data.hub_id));
  return `${lines.join("\n")}\n`;
}

/** Lines of our own known_hosts file, by alias, so that an address may change. */
export function renderKnownHosts(data: SshConfigData, before = ""): string {
  const ours = new Map<string, string>();
  if (data.jump !== null) ours.set(`cocalc-hub-${data.hub_id}`, normalizePublicLine(data.jump.host_key));
  for (const { host_id, host_key } of data.gateways)
    if (host_key !== null) ours.set(`cocalc-host-${host_id}`, normalizePublicLine(host_key));
  // Those of other hubs stay.
  const others = before.split("\n").filter((line) => line !== "" && !ours.has(line.split(" ")[0] ?? ""));
  return `${[...others, ...[...ours].map(([name, key]) => `${name} ${key}`)].join("\n")}\n`;
}

/**
 * The file with the block in its place. A new one goes to the top: ssh takes the first value it finds, and a
 * `Host *` of the person's own would otherwise win.
 */
export function placeBlock(file: string, block: string, hubId: string): string {
  const from = file.indexOf(`${begin(hubId)}\n`);
  if (from < 0) return file === "" ? block : `${block}\n${file}`;
  const closing = `${end(hubId)}\n`;
  const to = file.indexOf(closing, from);
  if (to < 0) {
    throw new CodedError({
      code: "ssh-config.broken-block",
      title: "The block in ~/.ssh/config has lost its last line",
      why: `It begins with “${begin(hubId)}”, and there is no “${end(hubId)}”.`,
      fix: "Remove what is left of it, and run this again. Nothing was changed.",
      exit: EX.DATAERR,
    });
  }
  return file.slice(0, from) + block + file.slice(to + closing.length);
}
