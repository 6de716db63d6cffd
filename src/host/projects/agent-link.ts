/** The connection to a running project's agent: its messages on the router, and byte streams beside them. */
import type { Socket } from "node:net";
import { join } from "node:path";
import type { Peer } from "../../conat/peer.ts";
import type { Router } from "../../conat/router.ts";
import { dialAgent, dialAgentPeer } from "../../contract/agent-dial.ts";
import type { AgentPurpose } from "../../contract/agent-protocol.ts";
import { CodedError } from "../../core/errors.ts";
import type { Entry } from "./entry.ts";

const RETRY_MS = 15;

export const socketOf = (entry: Entry) => join(entry.agentDir ?? "", "agent.sock");

/** Messages of its own, for a part that holds them; closes with the project. */
export async function peerOf(entry: Entry): Promise<Peer> {
  return await dialAgentPeer(socketOf(entry), entry.record.token ?? "");
}

/** A byte stream, counted while it is open. */
export async function streamOf(entry: Entry, purpose: AgentPurpose): Promise<Socket> {
  const { socket, head } = await dialAgent(socketOf(entry), entry.record.token ?? "", purpose);
  entry.connections += 1;
  socket.once("close", () => {
    entry.connections -= 1;
  });
  if (head.length > 0) socket.unshift(head);
  return socket;
}

/** Until the agent answers and its peer serves the project's subjects. `lost`: that peer closed by itself. */
export async function attachAgent(
  entry: Entry,
  router: Router<unknown>,
  how: { timeoutMs: number; lost(): void },
): Promise<void> {
  const id = entry.record.spec.project_id;
  const end = performance.now() + how.timeoutMs;
  for (;;) {
    try {
      const peer = await peerOf(entry);
      detachAgent(entry);
      entry.peer = peer;
      entry.runningSince = Date.now();
      router.attach(peer, { allow: [], serve: [`project.${id}.>`], data: { agent: id } });
      peer.onClose(() => {
        if (entry.peer !== peer) return;
        entry.peer = undefined;
        how.lost();
      });
      return;
    } catch (error) {
      const code = error instanceof CodedError ? error.code : "";
      if (performance.now() > end || code === "agent.bad-token") throw error;
      await Bun.sleep(RETRY_MS);
    }
  }
}

export function detachAgent(entry: Entry): void {
  const { peer } = entry;
  entry.peer = undefined;
  peer?.close();
}
