/** `cocalc-project-host join`: pairs this machine with the hub that made the token. */
import { chownSync, existsSync } from "node:fs";
import { join } from "node:path";
import { decodeJoinToken } from "../../contract/join-token.ts";
import { command, common, print } from "../../core/cli.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { ensureDir, hostPaths } from "../../core/paths.ts";
import { ensureServiceUser, giveDir, isRoot } from "../../core/service-users.ts";
import { writeStateFile } from "../../core/state-file.ts";
import { hostKey, hostKeyPath, readHostState } from "../state.ts";
import { pair } from "./pair.ts";

export const HOST_USER = { name: "cocalc-host", home: "/var/lib/cocalc-host" };

export default command({
  meta: {
    name: "join",
    description: "Pairs this machine with a hub; the join token comes on standard input",
  },
  args: {
    ...common,
    "token-stdin": { type: "boolean", description: "Read the token from standard input (the default)" },
    "ssh-only": {
      type: "boolean",
      description: "Pair over SSH alone, where the hub's HTTPS cannot be reached",
    },
  },
  async run({ args }) {
    const text = process.env.COCALC_JOIN_TOKEN ?? (await Bun.stdin.text());
    const token = decodeJoinToken(text);
    if (token.exp * 1000 < Date.now()) {
      throw new CodedError({
        code: "join.token-expired",
        title: "The join token has expired",
        why: `It was valid until ${new Date(token.exp * 1000).toISOString()}; here it is ${new Date().toISOString()}.`,
        fix: "Make a new one on the hub, or correct this machine's clock.",
        exit: EX.NOPERM,
      });
    }
    const user = isRoot() ? await ensureServiceUser(HOST_USER.name, HOST_USER.home) : undefined;
    const dataDir = args["data-dir"] ?? (user ? join(user.home, ".local/share/cocalc") : undefined);
    const paths = hostPaths(dataDir);
    const known = readHostState(paths);
    if (known && known.hub_id !== token.hub_id) {
      throw new CodedError({
        code: "join.other-hub",
        title: "This machine is a host of another hub already",
        why: `${paths.state} says so; projects of that hub may be here.`,
        fix: "Use another --data-dir, or move that directory away if the other hub is gone.",
        exit: EX.CONFIG,
      });
    }
    ensureDir(paths.dir);
    ensureDir(paths.ssh);
    const key = hostKey(paths);
    const { response, address } = await pair(token, key, { sshOnly: args["ssh-only"] === true });
    // What answered goes first: the next connection tries it at once.
    const addresses = [address, ...response.addresses.filter((one) => one !== address)];
    writeStateFile(paths.state, { ...response, addresses });
    if (user) {
      for (const path of [
        paths.dir,
        paths.ssh,
        paths.state,
        hostKeyPath(paths),
        `${hostKeyPath(paths)}.pub`,
      ]) {
        if (existsSync(path)) chownSync(path, user.uid, user.gid);
      }
      await giveDir(paths.dir, user);
    }
    print(
      args,
      { host_id: response.host_id, name: response.name },
      (value) => `paired: ${value.name} (${value.host_id})`,
    );
  },
});
