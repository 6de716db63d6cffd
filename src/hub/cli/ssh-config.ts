/** `cocalc-hub ssh-config`: a host in ~/.ssh/config for each project of one's own. */
import { existsSync, mkdirSync, readFileSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import type { SshConfigData } from "../../contract/api-ssh.ts";
import { command, common, print } from "../../core/cli.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { writeFileAtomic } from "../../core/state-file.ts";
import { bannerOf } from "../ssh/banner.ts";
import { aliases, KNOWN_HOSTS, placeBlock, renderBlock, renderKnownHosts } from "../ssh-config/block.ts";
import { access } from "./client.ts";

const PROBE_MS = 3_000;

/** Through a link, as people keep their dotfiles: the file it leads to is written, the link stays. */
const real = (path: string) => (existsSync(path) ? realpathSync(path) : path);
const textOf = (path: string) => (existsSync(path) ? readFileSync(path, "utf8") : "");

/** Hosts whose own port does not answer from here. */
async function unreachable(data: SshConfigData, address: string): Promise<Set<string>> {
  const tried = await Promise.all(
    data.gateways.map(async ({ host_id, port }) => ({
      host_id,
      banner: await bannerOf(address, port, PROBE_MS),
    })),
  );
  return new Set(tried.filter((one) => one.banner === null).map((one) => one.host_id));
}

export default command({
  meta: { name: "ssh-config", description: "Writes a host for each of your projects to ~/.ssh/config" },
  args: {
    ...common,
    "dry-run": { type: "boolean", description: "Print the block, change nothing" },
    address: { type: "string", description: "The hub's name or address, as this machine reaches it" },
    jump: {
      type: "enum",
      options: ["auto", "always", "never"],
      default: "auto",
      description:
        "Go through the hub's own SSH port: auto (where a host's port does not answer), always or never",
    },
  },
  async run({ args }) {
    const data = await access(args).api.ssh.config();
    const url = process.env.COCALC_URL;
    const address =
      args.address ??
      (url !== undefined && args["data-dir"] === undefined
        ? new URL(url).hostname.replace(/^\[|\]$/g, "")
        : (data.addresses[0] ?? "localhost"));
    const all = new Set(data.gateways.map((one) => one.host_id));
    const jumped =
      args.jump === "always"
        ? all
        : args.jump === "never"
          ? new Set<string>()
          : await unreachable(data, address);
    if (args.jump === "always" && data.jump === null) {
      throw new CodedError({
        code: "ssh-config.no-jump",
        title: "This hub lets nobody through its own SSH port",
        fix: "An admin can turn it on: cocalc-hub settings set ssh_jump on",
        exit: EX.CONFIG,
      });
    }
    const block = renderBlock(data, { address, jumped });
    if (args["dry-run"]) {
      print(args, { block, known_hosts: renderKnownHosts(data) }, ({ block }) => block.trimEnd());
      return;
    }
    const dir = join(homedir(), ".ssh");
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const config = real(join(dir, "config"));
    const before = textOf(config);
    const after = placeBlock(before, block, data.hub_id);
    const known = join(dir, KNOWN_HOSTS);
    const hostKeys = renderKnownHosts(data, textOf(known));
    if (hostKeys !== textOf(known)) writeFileAtomic(known, hostKeys);
    if (after !== before) {
      if (before !== "") writeFileAtomic(join(dirname(config), "config.before-cocalc"), before);
      writeFileAtomic(config, after);
    }
    const names = aliases(data.projects);
    const ready = data.projects.filter(
      (one) => data.gateways.find(({ host_id }) => host_id === one.host_id)?.host_key != null,
    );
    print(
      args,
      { changed: after !== before, config, hosts: ready.map((one) => `${names.get(one.project_id)}.cocalc`) },
      ({ hosts, changed }) =>
        [
          `${config}: ${changed ? "updated" : "up to date"}`,
          ...hosts.map((host) => `ssh ${host}`),
          ...(jumped.size > 0 && data.jump !== null ? ["(through the hub's own SSH port where needed)"] : []),
        ].join("\n"),
    );
  },
});
