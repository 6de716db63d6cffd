/** What the storage commands share: whose data directory, and root where root is needed. */
import { type ArgsDef, common } from "../../../core/cli.ts";
import { CodedError, EX } from "../../../core/errors.ts";
import { hostPaths } from "../../../core/paths.ts";
import { isRoot } from "../../../core/service-users.ts";
import { openStorageDir } from "../../helper/root.ts";
import { hubDirs, serviceDataDir } from "../../service-dir.ts";
import { gb, type Plan, planPool, type Wishes } from "../plan.ts";
import { type PoolPlaces, poolPlaces } from "../pool-record.ts";
import { type DirectoryTarget, deviceTarget, directoryTarget, missingForBtrfs } from "../target.ts";

export const targetArgs = {
  ...common,
  device: {
    type: "string",
    valueHint: "DEV",
    description: "A partition or disk for the pool, instead of an image in the data directory",
  },
  adopt: { type: "boolean", description: "Use the btrfs file system that is there, with all that is on it" },
  preallocate: {
    type: "boolean",
    description: "Take all of the room at once: a full disk then hurts nothing",
  },
  sparse: { type: "boolean", description: "Take room only as the pool fills" },
} as const satisfies ArgsDef;

export interface TargetArgs {
  "data-dir"?: string | undefined;
  device?: string | undefined;
  adopt?: boolean | undefined;
  preallocate?: boolean | undefined;
  sparse?: boolean | undefined;
}

const dataDirOf = (args: { "data-dir"?: string | undefined }) => args["data-dir"] ?? serviceDataDir();

/** Names of the pool's files; nothing is made. */
export function placesOf(args: { "data-dir"?: string | undefined }): PoolPlaces {
  return poolPlaces(`${hostPaths(dataDirOf(args)).dir}/storage`);
}

/** The same, with `storage/` made as root's own. Error: `storage.needs-root`. */
export function openPlaces(args: { "data-dir"?: string | undefined }): PoolPlaces {
  if (!isRoot()) {
    throw new CodedError({
      code: "storage.needs-root",
      title: "Making and mounting a pool needs root",
      fix: "Say it with sudo.",
      exit: EX.NOPERM,
    });
  }
  return poolPlaces(openStorageDir(dataDirOf(args)));
}

export async function directoryOf(args: { "data-dir"?: string | undefined }): Promise<DirectoryTarget> {
  const places = placesOf(args);
  const dataDir = dataDirOf(args);
  return await directoryTarget(places.storage, places.image, hubDirs(dataDir));
}

export async function planOf(args: TargetArgs, by_itself = false): Promise<Plan> {
  if (args.preallocate === true && args.sparse === true) {
    throw new CodedError({
      code: "cli.bad-value",
      title: "--preallocate and --sparse exclude each other",
      fix: "Say one of them, or neither.",
      exit: EX.USAGE,
    });
  }
  const wishes: Wishes = {
    preallocate: args.preallocate === true ? true : args.sparse === true ? false : undefined,
    adopt: args.adopt,
    by_itself,
  };
  const target = args.device === undefined ? await directoryOf(args) : await deviceTarget(args.device);
  return planPool(target, wishes, missingForBtrfs());
}

const WORDS = {
  image: (plan: Plan) => `make an image of ${gb(plan.size_bytes)} (${plan.mode}) and mount it`,
  format: (plan: Plan) => `format ${plan.path} (${gb(plan.size_bytes)}) with btrfs and mount it`,
  adopt: (plan: Plan) => `mount ${plan.path} and keep the projects in a subvolume of it`,
  directory: () => "make no pool; projects are in plain directories",
};

export function planText(plan: Plan): string {
  return [...plan.reasons.map((reason) => `  ${reason}`), `would ${WORDS[plan.action](plan)}`].join("\n");
}
