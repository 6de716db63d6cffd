/**
 * SFTP version 3 as raw requests over a program's stdin and stdout (`ssh -s … sftp`, or a jail itself): what the checks
 * need, and what an attacker has. It knows no paths and no rules; the server's answer is the answer.
 * Format: draft-ietf-secsh-filexfer-02.
 */
import { CodedError, EX } from "./errors.ts";
import { cleanEnv } from "./exec.ts";

export const FXP = {
  INIT: 1,
  VERSION: 2,
  OPEN: 3,
  CLOSE: 4,
  READ: 5,
  WRITE: 6,
  LSTAT: 7,
  SETSTAT: 9,
  FSETSTAT: 10,
  OPENDIR: 11,
  READDIR: 12,
  REMOVE: 13,
  MKDIR: 14,
  RMDIR: 15,
  REALPATH: 16,
  STAT: 17,
  RENAME: 18,
  READLINK: 19,
  SYMLINK: 20,
  STATUS: 101,
  HANDLE: 102,
  DATA: 103,
  NAME: 104,
  ATTRS: 105,
  EXTENDED: 200,
  EXTENDED_REPLY: 201,
} as const;
export const OPEN_FLAGS = { READ: 1, WRITE: 2, APPEND: 4, CREAT: 8, TRUNC: 16, EXCL: 32 } as const;
/** Status 0 is “ok”. */
const OK = 0;
const MAX_PACKET_BYTES = 1024 * 1024;

export interface SftpReply {
  type: number;
  /** Of a STATUS reply; undefined for any other. */
  status?: number;
  /** What follows the request's id. */
  body: Buffer;
}

export const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
};
export const u64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};
export const str = (value: string | Uint8Array): Buffer => {
  const bytes = Buffer.from(value as string);
  return Buffer.concat([u32(bytes.length), bytes]);
};

export class SftpWire {
  readonly #proc: Bun.Subprocess<"pipe", "pipe", "pipe">;
  readonly #waiting = new Map<number, (reply: SftpReply) => void>();
  #next = 1;
  #buffer: Buffer = Buffer.alloc(0);
  #ended: string | undefined;
  #onVersion: (() => void) | undefined;
  readonly #fail: ((error: Error) => void)[] = [];
  readonly #timeoutMs: number;

  private constructor(argv: string[], timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#proc = Bun.spawn(argv, {
      cwd: "/",
      env: cleanEnv(),
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
    });
    void this.#read();
  }

  /** Starts the program and greets it. Errors: `sftp.no-answer` with what it said when it ended, `sftp.timeout`. */
  static async open(argv: string[], timeoutMs = 10_000): Promise<SftpWire> {
    const wire = new SftpWire(argv, timeoutMs);
    const greeted = wire.#settled<void>((resolve) => {
      wire.#onVersion = resolve;
    });
    wire.#send(FXP.INIT, u32(3));
    try {
      await greeted;
    } catch (error) {
      wire.close();
      throw error;
    }
    return wire;
  }

  async #read(): Promise<void> {
    const said = new Response(this.#proc.stderr).text();
    for await (const chunk of this.#proc.stdout) {
      this.#buffer = Buffer.concat([this.#buffer, chunk]);
      for (;;) {
        if (this.#buffer.length < 5) break;
        const length = this.#buffer.readUInt32BE(0);
        if (length > MAX_PACKET_BYTES || length < 1) {
          this.#proc.kill("SIGKILL");
          break;
        }
        if (this.#buffer.length < 4 + length) break;
        this.#packet(this.#buffer.subarray(4, 4 + length));
        this.#buffer = this.#buffer.subarray(4 + length);
      }
    }
    this.#ended = (await said).trim() || `it ended with status ${await this.#proc.exited}`;
    for (const fail of this.#fail.splice(0)) fail(this.#ending(this.#ended));
  }

  #packet(packet: Buffer): void {
    const type = packet[0] ?? 0;
    if (type === FXP.VERSION) {
      this.#onVersion?.();
      return;
    }
    if (packet.length < 5) return;
    const body = packet.subarray(5);
    const resolve = this.#waiting.get(packet.readUInt32BE(1));
    this.#waiting.delete(packet.readUInt32BE(1));
    resolve?.({
      type,
      body,
      ...(type === FXP.STATUS && body.length >= 4 ? { status: body.readUInt32BE(0) } : {}),
    });
  }

  #ending(why: string): CodedError {
    return new CodedError({
      code: "sftp.no-answer",
      title: "The SFTP server does not answer",
      why: why.slice(-500),
      exit: EX.UNAVAILABLE,
    });
  }

  #silence(): CodedError {
    return new CodedError({
      code: "sftp.timeout",
      title: "The SFTP server does not answer in time",
      why: `nothing within ${this.#timeoutMs / 1000} s`,
      exit: EX.UNAVAILABLE,
    });
  }

  #settled<T>(start: (resolve: (value: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(this.#ending(this.#ended));
        return;
      }
      const timer = setTimeout(() => reject(this.#silence()), this.#timeoutMs);
      this.#fail.push((error) => {
        clearTimeout(timer);
        reject(error);
      });
      start((value) => {
        clearTimeout(timer);
        resolve(value);
      });
    });
  }

  #send(type: number, body: Buffer): void {
    try {
      this.#proc.stdin.write(Buffer.concat([u32(body.length + 1), Buffer.from([type]), body]));
      void this.#proc.stdin.flush();
    } catch {
      // It ended: whoever waits is told by the read side.
    }
  }

  /** One request, its answer whatever it is. */
  request(type: number, ...parts: Buffer[]): Promise<SftpReply> {
    const id = this.#next++;
    return this.#settled((resolve) => {
      this.#waiting.set(id, resolve);
      this.#send(type, Buffer.concat([u32(id), ...parts]));
    });
  }

  extended(name: string, ...parts: Buffer[]): Promise<SftpReply> {
    return this.request(FXP.EXTENDED, str(name), ...parts);
  }

  /** A file's handle, or the refusal. `mode` is what is asked for at creation. */
  async open(path: string, flags: number, mode?: number): Promise<Buffer | SftpReply> {
    const attributes = mode === undefined ? u32(0) : Buffer.concat([u32(4), u32(mode)]);
    const reply = await this.request(FXP.OPEN, str(path), u32(flags), attributes);
    return reply.type === FXP.HANDLE ? reply.body.subarray(4, 4 + reply.body.readUInt32BE(0)) : reply;
  }

  /** Writes a new file whole; whether the server took all of it. */
  async put(path: string, data: Uint8Array): Promise<boolean> {
    const handle = await this.open(path, OPEN_FLAGS.WRITE | OPEN_FLAGS.CREAT | OPEN_FLAGS.EXCL);
    if (!Buffer.isBuffer(handle)) return false;
    const written = await this.request(FXP.WRITE, str(handle), u64(0), str(data));
    const closed = await this.request(FXP.CLOSE, str(handle));
    return written.status === OK && closed.status === OK;
  }

  /** First bytes of a file, or undefined where it cannot be read. */
  async get(path: string, length = 32_768): Promise<Buffer | undefined> {
    const handle = await this.open(path, OPEN_FLAGS.READ);
    if (!Buffer.isBuffer(handle)) return undefined;
    const reply = await this.request(FXP.READ, str(handle), u64(0), u32(length));
    await this.request(FXP.CLOSE, str(handle));
    if (reply.type !== FXP.DATA) return undefined;
    return reply.body.subarray(4, 4 + reply.body.readUInt32BE(0));
  }

  close(): void {
    this.#proc.kill("SIGKILL");
  }
}
