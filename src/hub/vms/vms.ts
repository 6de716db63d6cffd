/** Virtual machines of Multipass on hosts: listed by asking, changed by commands, known again once they joined. */
import type { Host } from "../../contract/api.ts";
import type { HostCommand } from "../../contract/api-commands.ts";
import type { CreateVm, ResizeVm, Vms } from "../../contract/api-vms.ts";
import { VM_PREFIX, type VmAct } from "../../contract/vms.ts";
import { CodedError, EX } from "../../core/errors.ts";
import { assertAdmin, type Caller } from "../accounts/caller.ts";
import type { Commands } from "../commands/commands.ts";
import type { HubCore } from "../core.ts";
import { keptVmSchema } from "./order.ts";

export type HubVms = ReturnType<typeof createVms>;
const full = (name: string) => (name.startsWith(VM_PREFIX) ? name : VM_PREFIX + name);

export function createVms(core: Pick<HubCore, "db" | "hosts" | "links">, commands: Pick<Commands, "askVm">) {
  const { db, hosts, links } = core;

  /** By the name of a virtual machine, for one machine's: the host that it is, or `late` where it can become none. */
  async function joined(hostId: string) {
    const made = await db
      .selectFrom("host_commands")
      .select("vm")
      .where("host_id", "=", hostId)
      .where("kind", "=", "vm-create")
      .where("vm", "is not", null)
      .orderBy("created_at", "asc")
      .execute();
    const all = new Map((await hosts.all()).map((one) => [one.host_id, one]));
    const found = new Map<string, { host?: { host_id: string; name: string }; late: boolean }>();
    for (const row of made) {
      const { name, token_id } = keptVmSchema.parse(JSON.parse(row.vm ?? ""));
      // A later one of that name is another machine.
      found.delete(full(name));
      if (token_id === undefined) continue;
      const token = await db
        .selectFrom("join_tokens")
        .select(["used_by_host_id", "expires_at"])
        .where("token_id", "=", token_id)
        .executeTakeFirst();
      const host = all.get(token?.used_by_host_id ?? "");
      found.set(full(name), {
        ...(host && host.state !== "gone" ? { host: { host_id: host.host_id, name: host.name } } : {}),
        late: token?.used_by_host_id === null && token.expires_at < new Date().toISOString(),
      });
    }
    return found;
  }

  async function one(caller: Caller, key: string): Promise<Host> {
    assertAdmin(caller);
    return await hosts.get(caller, key);
  }
  const act = async (caller: Caller, key: string, what: VmAct, name: string, size = {}) =>
    await commands.askVm(caller, await one(caller, key), what, { name, size });

  return {
    async list(caller: Caller, key: string): Promise<Vms> {
      const host = await one(caller, key);
      const { vms, problem } = await links.request(host.host_id, "vm.list", {}, { timeout: 60_000 });
      const known = await joined(host.host_id);
      const told = (name: string) => ({
        host: known.get(name)?.host ?? null,
        late: known.get(name)?.late ?? false,
      });
      return { vms: vms.map((vm) => ({ ...vm, ...told(vm.name) })), problem };
    },
    create: (caller: Caller, key: string, { name, ...size }: CreateVm): Promise<HostCommand> =>
      act(caller, key, "create", name, size),
    start: (caller: Caller, key: string, name: string): Promise<HostCommand> =>
      act(caller, key, "start", name),
    stop: (caller: Caller, key: string, name: string): Promise<HostCommand> => act(caller, key, "stop", name),
    resize: (caller: Caller, key: string, name: string, size: ResizeVm): Promise<HostCommand> =>
      act(caller, key, "resize", name, size),
    /** Errors: `vm.is-a-host`, unless `evenHost`. */
    async remove(caller: Caller, key: string, name: string, evenHost: boolean): Promise<HostCommand> {
      const machine = await one(caller, key);
      const host = (await joined(machine.host_id)).get(full(name))?.host;
      if (host !== undefined && !evenHost) {
        throw new CodedError({
          code: "vm.is-a-host",
          title: `${full(name)} is the host ${host.name}: its disk goes with it, and every project on it`,
          fix: "Deprovision that host first, which backs its projects up. Nothing has changed yet.",
          command: `cocalc-hub host deprovision ${host.name}`,
          status: 409,
          exit: EX.USAGE,
        });
      }
      return await act(caller, key, "delete", name);
    },
  };
}
