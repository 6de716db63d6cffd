import { randomBytes, randomUUID } from "node:crypto";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** A lower-case UUID, the only form of id that appears in paths and URLs. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}

export function newId(): string {
  return randomUUID();
}

/** `bytes` random bytes in base64url: 32 bytes unless said. */
export function randomToken(bytes = 32): string {
  return randomBytes(bytes).toString("base64url");
}
