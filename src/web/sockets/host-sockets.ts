/** One WebSocket for each host, however many of its projects are open. */
import { type ClientState, type ConatClient, connect } from "../../conat/client.ts";
import { api, socketUrl } from "../api.ts";

interface HostSocket {
  client: ConatClient;
  users: number;
  renewal: ReturnType<typeof setInterval>;
  closing: ReturnType<typeof setTimeout> | undefined;
}

/** Grants last ten minutes. */
const RENEW_MS = 240_000;
/** Going from one project to the next keeps the socket. */
const LINGER_MS = 10_000;

const sockets = new Map<string, HostSocket>();

async function renew(hostId: string, client: ConatClient): Promise<void> {
  const { grant } = await api.hosts.grant(hostId);
  await client.request("grant.renew", { grant }, { idempotent: true });
}

function open(hostId: string): HostSocket {
  const client = connect({ url: socketUrl(`/${hostId}/conat`) });
  const renewal = setInterval(() => {
    if (client.state.state === "connected") void renew(hostId, client).catch(() => {});
  }, RENEW_MS);
  return { client, users: 0, renewal, closing: undefined };
}

export interface HostConnection {
  client: ConatClient;
  /** Rights for projects that were made after the socket was. */
  renew(): Promise<void>;
  onState(listener: (state: ClientState) => void): () => void;
  release(): void;
}

export function takeHostSocket(hostId: string): HostConnection {
  let socket = sockets.get(hostId);
  if (!socket) {
    socket = open(hostId);
    sockets.set(hostId, socket);
  }
  const mine = socket;
  clearTimeout(mine.closing);
  mine.users += 1;
  return {
    client: mine.client,
    renew: () => renew(hostId, mine.client),
    onState: (listener) => mine.client.onState(listener),
    release() {
      mine.users -= 1;
      if (mine.users > 0) return;
      mine.closing = setTimeout(() => {
        if (mine.users > 0) return;
        clearInterval(mine.renewal);
        mine.client.close();
        sockets.delete(hostId);
      }, LINGER_MS);
    },
  };
}
