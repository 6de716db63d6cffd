/** Hosts and join tokens in the database, behind the caller; ports are reserved here. */
import type { Host, HostReport, HostState, HostType, Step } from "../../contract/api.ts";
import type { MetHubKey } from "../../contract/host-control.ts";
import { CodedError, EX, type ProblemDetails } from "../../core/errors.ts";
import { newId } from "../../core/ids.ts";
import { MAX_HOSTS, type Ports } from "../../core/ports.ts";
import { fingerprint } from "../../core/ssh-keys.ts";
import { assertAdmin, type Caller, notFound } from "../accounts/caller.ts";
import type { Db } from "../db/open.ts";
import type { HostTable } from "../db/schema.ts";
import type { Events } from "../live/events.ts";
import { changedKey } from "./changed-key.ts";
import { NO_TUNNEL, type TunnelState } from "./tunnel-state.ts";

export const CHECKLIST: readonly [name: string, label: string][] = [
  ["token-accepted", "Join token accepted"],
  ["key-registered", "Its key is registered"],
  ["tunnel-up", "The tunnel is up"],
  ["echo", "A signed echo went round"],
  ["storage-ready", "Its storage is ready"],
];

/** Which state may follow which; anything else is a bug, and refused in the update's own WHERE. */
const NEXT: Record<HostState, readonly HostState[]> = {
  pairing: ["bootstrapping", "ready", "offline", "gone"],
  bootstrapping: ["ready", "degraded", "offline", "gone"],
  ready: ["degraded", "offline", "deprovisioning", "gone"],
  degraded: ["ready", "offline", "deprovisioning", "gone"],
  offline: ["bootstrapping", "ready", "degraded", "deprovisioning", "gone"],
  deprovisioning: ["gone", "offline"],
  gone: [],
};

export type HostStore = ReturnType<typeof createHostStore>;

export function createHostStore(db: Db, deps: { ports: Ports; events: Events; hubKey(): string }) {
  const tunnels = new Map<string, TunnelState>();
  const met = new Map<string, MetHubKey & { at: string }>();
  const now = () => new Date().toISOString();

  function toHost(row: HostTable): Host {
    const type = JSON.parse(row.type) as HostType;
    const tunnel = tunnels.get(row.host_id) ?? NO_TUNNEL;
    return {
      host_id: row.host_id,
      name: row.name,
      type,
      state: row.state as HostState,
      desired_state: row.desired_state === "gone" ? "gone" : "ready",
      state_since: row.state_since,
      problem: row.problem
        ? (JSON.parse(row.problem) as ProblemDetails & { code: string; title: string })
        : null,
      checklist: JSON.parse(row.checklist) as Step[],
      draining: row.draining === 1,
      ssh_port: row.ssh_port,
      http_port: row.http_port,
      key_fingerprint: fingerprint(row.public_key),
      changed_key: changedKey(row, met.get(row.host_id), deps.hubKey()),
      tunnel: { ...tunnel, state: type.kind === "local" && tunnel.state !== "down" ? "none" : tunnel.state },
      report: row.report ? (JSON.parse(row.report) as HostReport) : null,
      report_at: row.report_at,
      created_at: row.created_at,
    };
  }

  async function row(hostId: string): Promise<HostTable | undefined> {
    return await db.selectFrom("hosts").selectAll().where("host_id", "=", hostId).executeTakeFirst();
  }

  async function update(hostId: string, change: Partial<HostTable>): Promise<void> {
    await db.updateTable("hosts").set(change).where("host_id", "=", hostId).execute();
    deps.events.changed("host", hostId);
  }

  return {
    // ---- behind a caller ----
    async list(caller: Caller): Promise<Host[]> {
      assertAdmin(caller);
      const rows = await db
        .selectFrom("hosts")
        .selectAll()
        .where("state", "!=", "gone")
        .orderBy("created_at")
        .execute();
      return rows.map(toHost);
    },
    /** By id or unique name. */
    async get(caller: Caller, key: string): Promise<Host> {
      assertAdmin(caller);
      const rows = await db
        .selectFrom("hosts")
        .selectAll()
        .where("state", "!=", "gone")
        .where((eb) => eb.or([eb("host_id", "=", key), eb("name", "=", key)]))
        .execute();
      const [only, second] = rows;
      if (!only) throw notFound("host", key);
      if (second) {
        throw new CodedError({
          code: "host.ambiguous",
          title: `Several hosts are called ${key}`,
          fix: "Use the id.",
          status: 409,
          exit: EX.DATAERR,
        });
      }
      return toHost(only);
    },
    async rename(caller: Caller, hostId: string, name: string): Promise<void> {
      assertAdmin(caller);
      await update(hostId, { name });
    },
    // ---- the hub's own machinery; callers are parts, not people ----
    row,
    async all(): Promise<Host[]> {
      return (await db.selectFrom("hosts").selectAll().where("state", "!=", "gone").execute()).map(toHost);
    },
    async find(hostId: string): Promise<Host | undefined> {
      const found = await row(hostId);
      return found && toHost(found);
    },
    /** Keys that may hold a tunnel. */
    async tunnelKeys(): Promise<
      { host_id: string; public_key: string; http_port: number; ssh_port: number }[]
    > {
      return await db
        .selectFrom("hosts")
        .select(["host_id", "public_key", "http_port", "ssh_port"])
        .where("key_revoked", "=", 0)
        .where("state", "!=", "gone")
        .where("type", "not like", '%"kind":"local"%')
        .execute();
    },
    /**
     * A host for this key: the one it had, or a new one with two free ports. In one transaction, and the columns
     * are UNIQUE, so that two machines that join at once never share a port.
     */
    async register(input: { public_key: string; name: string; type: HostType }): Promise<HostTable> {
      const registered = await db.transaction().execute(async (trx) => {
        const known = await trx
          .selectFrom("hosts")
          .selectAll()
          .where("public_key", "=", input.public_key)
          .executeTakeFirst();
        if (known && known.state !== "gone" && known.key_revoked === 0) return known;
        if (known) {
          throw new CodedError({
            code: "host.key-revoked",
            title: "This machine's key was revoked",
            fix: "Remove its data directory's ssh folder and join again with a new token: it makes a new key, which an admin accepts.",
            status: 403,
            exit: EX.NOPERM,
          });
        }
        const used = new Set(
          (await trx.selectFrom("hosts").select("http_port").execute()).map((one) => one.http_port),
        );
        let index = 0;
        while (used.has(deps.ports.firstTunnel + index)) index += 1;
        if (index >= MAX_HOSTS) {
          throw new CodedError({
            code: "host.too-many",
            title: `A hub has at most ${MAX_HOSTS} hosts`,
            status: 409,
          });
        }
        const names = new Set(
          (await trx.selectFrom("hosts").select("name").where("state", "!=", "gone").execute()).map(
            (one) => one.name,
          ),
        );
        let name = input.name;
        for (let n = 2; names.has(name); n++) name = `${input.name}-${n}`;
        const created: HostTable = {
          host_id: newId(),
          name,
          type: JSON.stringify(input.type),
          state: "pairing",
          desired_state: "ready",
          state_since: now(),
          problem: null,
          http_port: deps.ports.firstTunnel + index,
          ssh_port: deps.ports.firstSsh + index,
          public_key: input.public_key,
          key_revoked: 0,
          offered_key: null,
          offered_at: null,
          offered_from: null,
          checklist: JSON.stringify(
            CHECKLIST.filter(([step]) => input.type.kind !== "local" || step !== "tunnel-up").map(
              ([step, label]) => ({
                name: step,
                label,
                state: "pending",
              }),
            ),
          ),
          report: null,
          report_at: null,
          created_at: now(),
          draining: 0,
          tombstone: null,
        };
        await trx.insertInto("hosts").values(created).execute();
        return created;
      });
      deps.events.changed("host", registered.host_id);
      return registered;
    },
    /** Moves to `state` if that may follow; returns whether it did. The same state again only renews the problem. */
    async setState(
      hostId: string,
      state: HostState,
      problem: ProblemDetails | null = null,
    ): Promise<boolean> {
      const from = (Object.keys(NEXT) as HostState[]).filter(
        (one) => one === state || NEXT[one].includes(state),
      );
      const before = await row(hostId);
      if (!before || !from.includes(before.state as HostState)) return false;
      const text = problem ? JSON.stringify(problem) : null;
      if (before.state === state && before.problem === text) return true;
      const result = await db
        .updateTable("hosts")
        .set({ state, problem: text, ...(before.state === state ? {} : { state_since: now() }) })
        .where("host_id", "=", hostId)
        .where("state", "in", from)
        .executeTakeFirst();
      deps.events.changed("host", hostId);
      return result.numUpdatedRows === 1n;
    },
    async setStep(hostId: string, name: string, change: Partial<Step>): Promise<void> {
      const found = await row(hostId);
      if (!found) return;
      const steps = JSON.parse(found.checklist) as Step[];
      const step = steps.find((one) => one.name === name);
      if (!step || (step.state === "done" && change.state !== "failed" && change.detail === step.detail))
        return;
      // A step that was reached stays reached: what fails later is the host's problem, not its joining.
      if (step.state === "done" && change.state !== "done") return;
      Object.assign(step, change);
      if (change.state === "running") step.started_at ??= now();
      if (change.state === "done" || change.state === "failed") step.finished_at = now();
      if (change.state === "done") delete step.problem;
      await update(hostId, { checklist: JSON.stringify(steps) });
    },
    async setReport(hostId: string, report: HostReport): Promise<void> {
      await update(hostId, { report: JSON.stringify(report), report_at: now() });
    },
    setTunnel(hostId: string, state: TunnelState): void {
      const before = tunnels.get(hostId);
      tunnels.set(hostId, state);
      // Each echo changes the number; browsers hear of it only when it would look different.
      if (before?.state !== state.state || before.history_ms.length !== state.history_ms.length)
        deps.events.changed("host", hostId);
    },
    async revokeKey(hostId: string): Promise<void> {
      await update(hostId, { key_revoked: 1 });
    },
    /** What somebody showed in place of the host's key; null once it is settled. */
    async offerKey(hostId: string, offer: { key: string; from: string } | null): Promise<void> {
      await update(hostId, {
        offered_key: offer?.key ?? null,
        offered_from: offer?.from ?? null,
        offered_at: offer ? now() : null,
      });
    },
    async replaceKey(hostId: string, key: string): Promise<void> {
      await update(hostId, {
        public_key: key,
        offered_key: null,
        offered_from: null,
        offered_at: null,
        key_revoked: 0,
        problem: null,
      });
    },
    /** The key of the hub's own sshd as the host met it, when it is not the one that the host knows. */
    setMetHubKey(hostId: string, key: MetHubKey | null): void {
      if (key) met.set(hostId, { ...key, at: now() });
      else if (!met.delete(hostId)) return;
      deps.events.changed("host", hostId);
    },
    async setDesired(hostId: string, desired: "ready" | "gone"): Promise<void> {
      await update(hostId, { desired_state: desired });
    },
  };
}
