/** The doctor's question to the hub itself: does a WebSocket through its own front door answer? */
import { Peer } from "../../conat/peer.ts";
import { type WebSocketLike, webSocketTransport } from "../../conat/transport-ws.ts";
import type { Tls } from "../tls/tls.ts";

const WEBSOCKET_ECHO_TIMEOUT_MS = 5_000;

/**
 * Milliseconds from question to answer. Over plain HTTP without a certificate; `token`: the bearer that the hub made
 * for itself.
 */
export async function webSocketEcho(
  port: number,
  certificate: Tls["people"] | undefined,
  token: string,
): Promise<number> {
  // The admin's own certificate need not be for the address that we ask.
  const tls = certificate?.caPem === undefined ? { rejectUnauthorized: false } : { ca: certificate.caPem };
  const socket = new WebSocket(`${certificate ? "wss" : "ws"}://127.0.0.1:${port}/conat`, {
    headers: { authorization: `Bearer ${token}` },
    ...(certificate ? { tls } : {}),
  } as unknown as string[]);
  const opened = new Promise<void>((resolve, reject) => {
    socket.addEventListener("open", () => resolve());
    socket.addEventListener("error", () => reject(new Error("the WebSocket was refused")));
    setTimeout(() => reject(new Error("no answer in time")), WEBSOCKET_ECHO_TIMEOUT_MS);
  });
  const peer = new Peer(webSocketTransport(socket as unknown as WebSocketLike));
  try {
    await opened;
    const began = performance.now();
    await peer.request("hub.echo", { at: began }, { timeout: WEBSOCKET_ECHO_TIMEOUT_MS });
    return performance.now() - began;
  } finally {
    peer.close();
  }
}
