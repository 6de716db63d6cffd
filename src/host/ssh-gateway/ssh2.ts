/**
 * What we need of ssh2 beyond its documented interface, in one place (version pinned). It is a server written for
 * Node's streams; a gateway that must bound memory and forward agents needs a little more.
 */
import type { Socket } from "node:net";
import { type AuthContext, type Connection, Server, type ServerChannel, utils } from "ssh2";
import { encodePrivateKey, type KeyPair } from "../../core/ssh-keys.ts";

/** As OpenSSH takes them; no finite-field groups below 2048 bits, nothing with SHA-1. */
const KEX = [
  "curve25519-sha256",
  "curve25519-sha256@libssh.org",
  "ecdh-sha2-nistp256",
  "ecdh-sha2-nistp384",
  "ecdh-sha2-nistp521",
  "diffie-hellman-group16-sha512",
  "diffie-hellman-group14-sha256",
] as const;
const GCM = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"] as const;
const CTR = ["aes128-ctr", "aes192-ctr", "aes256-ctr"] as const;
/** Encrypt-then-MAC alone: the others have had attacks of their own (Terrapin's among them). */
const MACS = ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"] as const;

type Names = { array: string[] };
interface Direction {
  cipher: Names;
  mac: Names;
  compress: Names;
  lang: Names;
}
interface Offer {
  lists: { kex: Names; serverHostKey: Names; cs: Direction; sc: Direction };
}
interface Offering {
  _offer: Offer;
}
interface Outgoing {
  state: string;
}
type Corking = Pick<Socket, "cork" | "uncork" | "writableCorked">;
interface RawChannel {
  _client: { _sock: Corking };
  _write(data: Uint8Array, encoding: null, done: () => void): void;
  stderr: { _write(data: Uint8Array, encoding: null, done: () => void): void };
  outgoing: Outgoing;
  incoming: { window: number };
  _chunk: unknown;
  _chunkcb: unknown;
  _chunkErr: unknown;
  _chunkcbErr: unknown;
}
interface RawClient {
  _sock: unknown;
  _protocol: Offering & { openssh_authAgent(channel: number, window: number, packet: number): void };
  _chanMgr: { add(opened: OpenedRaw): number };
}
type OpenedRaw = ((error: Error | undefined, channel: ServerChannel) => void) & { type: string };

const WINDOW_BYTES = 2 * 1024 * 1024;
const PACKET_BYTES = 32 * 1024;

/** The same offer with other ciphers; its class is not exported. */
function withCiphers(offer: Offer, ciphers: readonly string[]): Offer {
  const { lists } = offer;
  const one = (direction: Direction) => ({
    cipher: [...ciphers],
    mac: direction.mac.array,
    compress: direction.compress.array,
    lang: direction.lang.array,
  });
  const Class = offer.constructor as new (given: unknown) => Offer;
  return new Class({
    kex: lists.kex.array,
    serverHostKey: lists.serverHostKey.array,
    cs: one(lists.cs),
    sc: one(lists.sc),
  });
}

export interface SshServer {
  /** Gives it a connection that was taken elsewhere. */
  inject(socket: unknown): void;
}

/**
 * The client's order decides, and OpenSSH puts AES-CTR before AES-GCM, which costs twice as much here (measured).
 * OpenSSH has had GCM since 6.2, so it is offered nothing else; other clients get both.
 */
export function createSshServer(
  key: KeyPair,
  onConnection: (client: Connection, info: { socket: unknown; software: string }) => void,
): SshServer {
  const server = new Server({
    hostKeys: [encodePrivateKey(key)],
    ident: "CoCalc",
    // A dead client is noticed after a minute; each packet that comes counts as a sign of life.
    keepaliveInterval: 15_000,
    keepaliveCountMax: 3,
    algorithms: {
      kex: [...KEX],
      cipher: [...GCM, ...CTR],
      hmac: [...MACS],
      // Compression costs memory that a hostile client chooses.
      compress: ["none"],
      serverHostKey: ["ssh-ed25519"],
    },
  } as ConstructorParameters<typeof Server>[0]);
  let gcm: Offer | undefined;
  server.on("connection", (client, info) => {
    const { software } = info.header.versions;
    const raw = client as unknown as RawClient;
    // Called before the key exchange begins.
    if (/^OpenSSH_/.test(software)) {
      gcm ??= withCiphers(raw._protocol._offer, GCM);
      raw._protocol._offer = gcm;
    }
    onConnection(client, { socket: raw._sock, software });
  });
  return { inject: (socket) => server.injectSocket(socket as never) };
}

/**
 * Writes to a channel's stdout or stderr. One at a time for both: ssh2 keeps what waits for the client's window in
 * fields that it never clears, and would send it a second time when the other of the two waits (seen in its source).
 * `done` is not called when the channel is closed.
 */
export function rawWrite(channel: ServerChannel, fd: 1 | 2, bytes: Uint8Array, done: () => void): void {
  const raw = channel as unknown as RawChannel;
  gather(raw._client._sock);
  raw._chunk = undefined;
  raw._chunkcb = undefined;
  raw._chunkErr = undefined;
  raw._chunkcbErr = undefined;
  // ssh2 takes no Uint8Array that is no Buffer.
  const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  (fd === 1 ? raw : raw.stderr)._write(chunk, null, done);
}

/**
 * What is written until the next tick goes out in one system call: ssh2 writes a packet in three pieces (length,
 * content, tag), which cost more than its encryption (57 % of the gateway's time, measured) and as many segments.
 */
function gather(socket: Corking): void {
  if (socket.writableCorked > 0) return;
  socket.cork();
  process.nextTick(() => socket.uncork());
}

/** The client sent more than it was allowed: ssh2 would keep it all. */
export const overran = (channel: ServerChannel): boolean =>
  (channel as unknown as RawChannel).incoming.window < 0;

export const isOpen = (channel: ServerChannel): boolean =>
  (channel as unknown as RawChannel).outgoing.state === "open";

/** Opens a channel to the client's SSH agent; ssh2 has the message, but no method of its server for it. */
export function openAgentChannel(client: Connection): Promise<ServerChannel> {
  const { _chanMgr: channels, _protocol: protocol } = client as unknown as RawClient;
  return new Promise((resolve, reject) => {
    const opened: OpenedRaw = Object.assign(
      (error: Error | undefined, channel: ServerChannel) =>
        error === undefined ? resolve(channel) : reject(error),
      { type: "auth-agent@openssh.com" },
    );
    const id = channels.add(opened);
    if (id === -1) reject(new Error("no channel is free"));
    else protocol.openssh_authAgent(id, WINDOW_BYTES, PACKET_BYTES);
  });
}

type PublicKeyContext = Extract<AuthContext, { method: "publickey" }>;

/** Whether the signature is the key's, over this very session. SHA-1 is not taken. */
export function signatureHolds(context: PublicKeyContext): boolean {
  const { signature, blob, hashAlgo } = context as PublicKeyContext & { hashAlgo?: string };
  if (signature === undefined || blob === undefined) return false;
  if (context.key.algo === "ssh-rsa" && hashAlgo !== "sha256" && hashAlgo !== "sha512") return false;
  const key = utils.parseKey(context.key.data);
  if (key instanceof Error) return false;
  return (Array.isArray(key) ? key[0] : key)?.verify(blob, signature, hashAlgo) === true;
}
