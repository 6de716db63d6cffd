/**
 * Virtual machines of Multipass on this machine, each of which joins a hub by itself at its first boot. Only those
 * whose names have our prefix are ever touched: a person's own are beside them.
 * Commands: canonical.com/multipass/docs, launch, list, start, stop, set, delete.
 */
import { z } from "zod";
import { VM_PREFIX as PREFIX, type Vm, type VmSize, vmSchema } from "../../contract/vms.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { exec } from "../../core/exec.ts";

/** What the installer and its packages were tried with. */
const IMAGE = "24.04";
const CALL_TIMEOUT_MS = 120_000;
/** It fetches its image, boots, and runs cloud-init. */
const LAUNCH_TIMEOUT_S = 1_800;

const listSchema = z.object({ list: z.array(vmSchema) });

/** Multipass' own rule for names is the same but for the prefix. Errors: `vm.bad-name`. */
export function vmName(name: string): string {
  const full = name.startsWith(PREFIX) ? name : PREFIX + name;
  if (/^cocalc-[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?$/.test(full)) return full;
  throw new CodedError({
    code: "vm.bad-name",
    title: `“${name}” is no name for a virtual machine`,
    fix: "Use lower-case letters, digits and dashes, at most 50 of them.",
    exit: EX.USAGE,
  });
}

/** Pure: the argument vectors, so that a test holds them against the published command line. */
export const vmArgv = {
  list: () => ["list", "--format", "json"],
  // The user data comes on standard input: it holds a join token, and argument lists are anybody's to read.
  launch: (name: string, size: VmSize) => [
    ...["launch", IMAGE, "--name", name, "--cpus", String(size.cpus)],
    ...["--memory", `${size.memory}G`, "--disk", `${size.disk}G`],
    ...["--timeout", String(LAUNCH_TIMEOUT_S), "--cloud-init", "-"],
  ],
  start: (name: string) => ["start", name],
  stop: (name: string) => ["stop", name],
  set: (name: string, key: "cpus" | "memory" | "disk", value: string) => [
    "set",
    `local.${name}.${key}=${value}`,
  ],
  remove: (name: string) => ["delete", "--purge", name],
};

export function createMultipass(program = "multipass") {
  async function run(argv: string[], options: { stdin?: string; timeout?: number } = {}): Promise<string> {
    const found = program.startsWith("/")
      ? program
      : (Bun.which(program, { PATH: "/snap/bin:/usr/local/bin:/usr/bin" }) ?? "");
    if (found === "") {
      throw new CodedError({
        code: "vm.no-multipass",
        title: "Multipass is not installed on this machine",
        why: "It is what makes and runs the virtual machines.",
        fix: "Install it, then run the same command again.",
        command: "sudo snap install multipass",
        exit: EX.UNAVAILABLE,
      });
    }
    const result = await exec([found, ...argv], { timeout: CALL_TIMEOUT_MS, ...options });
    if (result.code === 0) return result.stdout;
    const why =
      result.stderr.trim().split("\n").slice(-3).join(" ") || `It ended with status ${result.code}.`;
    throw new CodedError({
      code: "vm.failed",
      title: `multipass ${argv[0]} did not work`,
      why,
      fix: /KVM|virtuali[sz]ation|not supported/i.test(why)
        ? "The processor's virtualization must be on, in the firmware, and for a nested machine in its hypervisor."
        : "See why; `multipass list` shows what there is.",
      exit: EX.OSERR,
    });
  }

  async function list(): Promise<Vm[]> {
    const all = listSchema.parse(JSON.parse(await run(vmArgv.list()))).list;
    return all.filter((one) => one.name.startsWith(PREFIX));
  }
  async function ours(name: string): Promise<Vm> {
    const full = vmName(name);
    const found = (await list()).find((one) => one.name === full);
    if (found) return found;
    throw new CodedError({
      code: "vm.not-found",
      title: `There is no virtual machine ${full}`,
      why: "Only those whose names begin with cocalc- are ours.",
      fix: "See the list: cocalc-project-host vm list",
      exit: EX.NOINPUT,
    });
  }
  const isRunning = (vm: Vm) => vm.state.toLowerCase() === "running";

  return {
    list,
    /** `again`: it was begun before, and one that is there is that one. Errors: `vm.exists`. */
    async create(name: string, size: VmSize, userData: string, again = false): Promise<Vm> {
      const full = vmName(name);
      const known = (await list()).find((one) => one.name === full);
      if (known && again) return await this.start(full);
      if (known) {
        throw new CodedError({
          code: "vm.exists",
          title: `${full} is there already (${known.state})`,
          fix: "Choose another name, or delete it first.",
          exit: EX.CANTCREAT,
        });
      }
      await run(vmArgv.launch(full, size), { stdin: userData, timeout: (LAUNCH_TIMEOUT_S + 60) * 1000 });
      return await ours(full);
    },
    /** The same again changes nothing. */
    async start(name: string): Promise<Vm> {
      const vm = await ours(name);
      if (!isRunning(vm)) await run(vmArgv.start(vm.name), { timeout: 600_000 });
      return await ours(name);
    },
    async stop(name: string): Promise<Vm> {
      const vm = await ours(name);
      if (isRunning(vm)) await run(vmArgv.stop(vm.name), { timeout: 600_000 });
      return await ours(name);
    },
    /** Multipass changes stopped machines alone, and makes no disk smaller. One that ran runs again, also after a failure. */
    async resize(name: string, size: Partial<VmSize>): Promise<Vm> {
      const vm = await ours(name);
      const ran = isRunning(vm);
      if (ran) await run(vmArgv.stop(vm.name), { timeout: 600_000 });
      try {
        if (size.cpus !== undefined) await run(vmArgv.set(vm.name, "cpus", String(size.cpus)));
        if (size.memory !== undefined) await run(vmArgv.set(vm.name, "memory", `${size.memory}G`));
        if (size.disk !== undefined) await run(vmArgv.set(vm.name, "disk", `${size.disk}G`));
      } finally {
        if (ran) await run(vmArgv.start(vm.name), { timeout: 600_000 });
      }
      return await ours(name);
    },
    /** `again`: it was begun before, and one that is gone is what was wanted. */
    async remove(name: string, again = false): Promise<void> {
      const full = vmName(name);
      if (again && !(await list()).some((one) => one.name === full)) return;
      await run(vmArgv.remove((await ours(full)).name));
    },
  };
}
