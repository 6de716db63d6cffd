/** `cocalc-project-host join`: pairs this machine with the hub that made the token. */
import { chownSync, existsSync } from "node:fs";
import { join } from "node:path";
import { createApiClient } from "../../contract/client.ts";
import { MAX_CLOCK_SKEW_SECONDS } from "../../contract/grants.ts";
import { decodeJoinToken } from "../../contract/join-token.ts";
import { command, common, print } from "../../core/cli.ts";
import { CodedError, EX, messageOf } from "../../core/errors.ts";
import { dataRoot, ensureDir, hostPaths, hubPaths } from "../../core/paths.ts";
import { ensureServiceUser, giveDir, isRoot } from "../../core/service-users.ts";
import { generateKeyPair } from "../../core/ssh-keys.ts";
import { writeFileAtomic, writeStateFile } from "../../core/state-file.ts";
import { INSTALLATION, isInstalled } from "../machine/leave-plan.ts";
import { HOST_USER } from "../service-dir.ts";
import { hostKey, hostKeyPath, readHostState } from "../state.ts";
import { leaveFormerHub } from "./other-hub.ts";
import { pair } from "./pair.ts";

/** Seconds since 1970: when the token ends and was made by the hub's clock, and now by this machine's. */
function judgeTokenTime(ends: number, made: number, now: number): void {
  const iso = (seconds: number) => new Date(seconds * 1000).toISOString();
  if (ends < now) {
    throw new CodedError({
      code: "join.token-expired",
      title: "The join token has expired",
      why: `It was valid until ${iso(ends)}; here it is ${iso(now)}.`,
      fix: "Make a new one on the hub, or correct this machine's clock.",
      exit: EX.NOPERM,
    });
  }
  if (made > now + MAX_CLOCK_SKEW_SECONDS) {
    throw new CodedError({
      code: "join.clock-behind",
      title: "This machine's clock is behind the hub's",
      why: `The join token was made at ${iso(made)}; here it is ${iso(now)}.`,
      fix: "Turn on time synchronisation on this machine, then run the same line again.",
      command: "timedatectl set-ntp true",
      exit: EX.NOPERM,
    });
  }
}

export default command({
  meta: {
    name: "join",
    description: "Pairs this machine with a hub; the join token comes on standard input",
  },
  args: {
    ...common,
    "token-stdin": { type: "boolean", description: "Read the token from standard input (the default)" },
    local: { type: "boolean", description: "Pair with the hub on this machine; needs no token, but root" },
    "hub-dir": {
      type: "string",
      valueHint: "DIR",
      description: "With --local: the hub's --data-dir (default: that of its service user)",
    },
    "ssh-only": {
      type: "boolean",
      description: "Pair over SSH alone, where the hub's HTTPS cannot be reached",
    },
    replace: {
      type: "boolean",
      description: "Leave the hub that this machine is a host of; its projects stay here, stopped",
    },
    "keep-ca": {
      type: "string",
      valueHint: "FILE",
      description: "Keep the hub's CA there too, for the installer",
    },
  },
  run: ({ args }) => joinHub(args),
});

const PAIR_ARGS = {
  ...common,
  replace: {
    type: "boolean",
    description: "Leave the hub that this machine is a host of; its projects stay here, stopped",
  },
} as const;
/** `cocalc-project-host pair-ssh`: the same over SSH alone, and only the answer on standard output. */
export const pairSsh = command({
  meta: {
    name: "pair-ssh",
    description: "Pairs over SSH alone; the join token comes on standard input, the answer is JSON",
  },
  args: PAIR_ARGS,
  run: ({ args }) => joinHub({ ...args, "ssh-only": true, json: true }),
});

interface JoinArgs {
  "data-dir"?: string | undefined;
  json?: boolean | undefined;
  local?: boolean | undefined;
  "hub-dir"?: string | undefined;
  "ssh-only"?: boolean | undefined;
  replace?: boolean | undefined;
  "keep-ca"?: string | undefined;
}

async function joinHub(args: JoinArgs): Promise<void> {
  const text =
    args.local === true
      ? await localToken(args["hub-dir"])
      : (process.env.COCALC_JOIN_TOKEN ?? (await Bun.stdin.text()));
  const token = decodeJoinToken(text);
  judgeTokenTime(token.exp, token.iat ?? 0, Date.now() / 1000);
  const user = isRoot() ? await ensureServiceUser(HOST_USER.name, HOST_USER.home) : undefined;
  const dataDir = args["data-dir"] ?? (user ? join(user.home, ".local/share/cocalc") : undefined);
  const paths = hostPaths(dataDir);
  const known = readHostState(paths);
  const replaced = known && known.hub_id !== token.hub_id ? known : undefined;
  if (replaced && args.replace !== true) {
    throw new CodedError({
      code: "join.other-hub",
      title: "This machine is a host of another hub already",
      why: `${paths.state} says so; projects of that hub may be here.`,
      fix: "To leave that hub for this one, give --replace: its projects stay here, stopped. Or use another --data-dir.",
      exit: EX.CONFIG,
    });
  }
  if (user) await giveDir(paths.dir, user);
  ensureDir(paths.dir);
  ensureDir(paths.ssh);
  // Nothing of the former hub is touched before the new one has said yes.
  const key = replaced ? generateKeyPair() : hostKey(paths);
  const { response, address } = await pair(token, key, {
    sshOnly: args["ssh-only"] === true,
    hostId: replaced ? undefined : known?.host_id,
  });
  const kept = replaced ? leaveFormerHub(paths, replaced, key) : 0;
  // What answered goes first: the next connection tries it at once.
  const addresses = [address, ...response.addresses.filter((one) => one !== address)];
  if (user) {
    for (const path of [paths.dir, paths.ssh, hostKeyPath(paths), `${hostKeyPath(paths)}.pub`]) {
      if (existsSync(path)) chownSync(path, user.uid, user.gid);
    }
    await giveDir(paths.dir, user);
  }
  // Root's own copy: the installer believes it when it takes programs from the hub, and no service can change it. The
  // hub's own machine takes none from there.
  const installed = response.kind !== "local" && isRoot() && isInstalled(dataRoot(dataDir));
  const ca = args["keep-ca"] ?? (installed ? join(INSTALLATION, "hub-ca.pem") : undefined);
  if (ca !== undefined) writeFileAtomic(ca, response.ca_pem, 0o644);
  // Last, and the service user's at once: its daemon may be waiting for it.
  writeStateFile(paths.state, { ...response, addresses }, user);
  print(
    args,
    { host_id: response.host_id, name: response.name, projects_kept: kept },
    (value) =>
      `paired: ${value.name} (${value.host_id})${value.projects_kept > 0 ? `; ${value.projects_kept} projects of the former hub stay here, stopped` : ""}`,
  );
}

/** Where an installed hub has its state. */
const HUB_ROOT = "/var/lib/cocalc/.local/share/cocalc";
const HUB_WAIT_MS = 60_000;
const HUB_POLL_MS = 300;

/** A token from the hub's own socket: whoever may open that is its administrator. Errors: `join.no-local-hub`. */
async function localToken(hubDir: string | undefined): Promise<string> {
  const { socket } = hubPaths(hubDir ?? HUB_ROOT);
  const api = createApiClient({
    base: "http://localhost",
    fetch: (url, init) => fetch(url, { ...init, unix: socket } as RequestInit),
  });
  const end = Date.now() + HUB_WAIT_MS;
  for (;;) {
    try {
      return (await api.local.joinToken()).token;
    } catch (error) {
      if (Date.now() < end) {
        await Bun.sleep(HUB_POLL_MS);
        continue;
      }
      throw new CodedError(
        {
          code: "join.no-local-hub",
          title: "No hub answers on this machine",
          why: `${socket}: ${messageOf(error)}`,
          fix: "Start the hub, run this as root, or name the hub's data directory with --hub-dir.",
          command: "systemctl status cocalc-hub",
          exit: EX.UNAVAILABLE,
        },
        { cause: error },
      );
    }
  }
}
