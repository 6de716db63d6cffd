/** Tells hosts who may log in: at each change, at each new link, and again where it failed. */
import { createHash } from "node:crypto";
import { messageOf } from "../../core/errors.ts";
import { logger } from "../../core/log.ts";
import { normalizePublicLine } from "../../core/ssh-keys.ts";
import type { HubCore } from "../core.ts";
import { accessOf, partsOf } from "./access.ts";

const log = logger("ssh-access");
const AGAIN_MS = 15_000;
const PUSH_TIMEOUT_MS = 10_000;
/** Changes come in bursts. */
const GATHER_MS = 20;
/** Whoever added or removed a key waits no longer than this for hosts to have heard of it. */
const SETTLE_MS = 3_000;

export interface AccessPush {
  /** Tries again, now and then, where it failed. */
  start(): void;
  /** Resolves when every connected host has heard of what is in the database now, or after a few seconds. */
  settle(): Promise<void>;
  close(): void;
}

export function createAccessPush({ db, links, hosts, events, audit }: HubCore): AccessPush {
  /** Hash of what a host took last, in this link. */
  const taken = new Map<string, string>();
  const turns = new Map<string, Promise<void>>();
  let gather: ReturnType<typeof setTimeout> | undefined;

  async function keepHostKey(hostId: string, reply: { host_key: string; listening: boolean }): Promise<void> {
    const host_key = normalizePublicLine(reply.host_key);
    const before = await db
      .selectFrom("ssh_gateways")
      .selectAll()
      .where("host_id", "=", hostId)
      .executeTakeFirst();
    const listening = reply.listening ? 1 : 0;
    if (before?.host_key === host_key && before.listening === listening) return;
    if (before !== undefined && before.host_key !== host_key)
      await audit.write(`host ${hostId}`, "host.ssh-key-changed", hostId, {
        from: before.host_key,
        to: host_key,
      });
    const row = { host_key, listening, told_at: new Date().toISOString() };
    await db
      .insertInto("ssh_gateways")
      .values({ host_id: hostId, ...row })
      .onConflict((c) => c.column("host_id").doUpdateSet(row))
      .execute();
    events.changed("host", hostId);
  }

  async function pushNow(hostId: string): Promise<void> {
    if (!links.isConnected(hostId)) return;
    const access = await accessOf(db, hostId);
    const revision = createHash("sha256").update(JSON.stringify(access)).digest("hex");
    if (taken.get(hostId) === revision) return;
    const parts = partsOf(access);
    for (const [part, one] of parts.entries()) {
      const reply = await links.request(
        hostId,
        "ssh.access",
        { revision, part, parts: parts.length, access: one },
        { timeout: PUSH_TIMEOUT_MS },
      );
      if (part === parts.length - 1) await keepHostKey(hostId, reply);
    }
    taken.set(hostId, revision);
  }

  /** One at a time for each host: an older answer must not arrive behind a newer one. */
  function push(hostId: string): Promise<void> {
    const turn = (turns.get(hostId) ?? Promise.resolve())
      .then(() => pushNow(hostId))
      .catch((error: unknown) => {
        taken.delete(hostId);
        log.debug("a host was not told who may log in", { host_id: hostId, why: messageOf(error) });
      });
    turns.set(hostId, turn);
    return turn;
  }

  async function pushAll(): Promise<void> {
    try {
      await Promise.all((await hosts.all()).map((host) => push(host.host_id)));
    } catch (error) {
      // The hub is ending; the next one tells every host anew.
      log.debug("hosts were not told who may log in", { why: messageOf(error) });
    }
  }

  const unfollow = events.onChanged(({ kind }) => {
    if (kind !== "project" && kind !== "user") return;
    gather ??= setTimeout(() => {
      gather = undefined;
      void pushAll();
    }, GATHER_MS);
  });
  links.onConnected((hostId) => {
    taken.delete(hostId);
    void push(hostId);
  });
  let timer: ReturnType<typeof setInterval> | undefined;

  return {
    start() {
      timer = setInterval(() => void pushAll(), AGAIN_MS);
    },
    settle: () => Promise.race([pushAll(), Bun.sleep(SETTLE_MS)]),
    close() {
      unfollow();
      clearInterval(timer);
      clearTimeout(gather);
    },
  };
}
