import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FixedWindow } from "../../core/fixed-window.ts";
import { createPlusDoor } from "./door.ts";
import { absentInPlus } from "./guard.ts";

const owner = async () => ({
  account_id: "a",
  name: "ada",
  email: "ada@localhost",
  role: "admin" as const,
  suspended: false,
  created_at: new Date().toISOString(),
});

test("the cookie is bound to its port, its secret and its time", async () => {
  const secretsDir = mkdtempSync(join(tmpdir(), "plus-"));
  try {
    let now = 1_000_000;
    const make = (secret: string, port: number) =>
      createPlusDoor({
        secretsDir,
        secret: Buffer.from(secret),
        port,
        guesses: new FixedWindow(20, 60_000),
        owner,
        now: () => now,
      });
    const door = make("one", 9200);
    let cookie = "";
    const answer = {
      writeHead(_status: number, headers: Record<string, string>) {
        cookie = headers["set-cookie"]?.split(";")[0] ?? "";
        return answer;
      },
      end() {},
    };
    await door.request(
      { method: "GET", url: door.url().replace("http://localhost:9200", ""), socket: {} } as never,
      answer as never,
    );
    const caller = (at: typeof door, text: string) => at.caller(new Headers({ cookie: text }));
    expect(await caller(door, cookie)).toMatchObject({ account_id: "a", admin: true });
    expect(await caller(door, `other=1; ${cookie}`)).not.toBeNull();
    expect(await caller(door, `${cookie}x`)).toBeNull();
    expect(await caller(door, cookie.replace(/=\d+/, "=99999999999999"))).toBeNull();
    expect(await caller(make("two", 9200), cookie)).toBeNull();
    expect(await caller(make("one", 9300), cookie)).toBeNull();
    now += 31 * 86_400_000;
    expect(await caller(door, cookie)).toBeNull();
  } finally {
    rmSync(secretsDir, { recursive: true });
  }
});

test("what one person with one project does not need is not there", () => {
  for (const [method, path] of [
    ["POST", "/api/auth/sign-in/email"],
    ["POST", "/api/users"],
    ["POST", "/api/projects"],
    ["DELETE", "/api/projects/x"],
    ["POST", "/api/join-tokens"],
    ["POST", "/api/hosts/x/revoke"],
  ] as const)
    expect(absentInPlus(method, path), `${method} ${path}`).toBe(true);
  for (const [method, path] of [
    ["GET", "/api/me"],
    ["GET", "/api/projects"],
    ["PATCH", "/api/projects/x"],
    ["POST", "/api/projects/x/start"],
    ["POST", "/api/hosts/x/grant"],
    ["GET", "/api/setup"],
  ] as const)
    expect(absentInPlus(method, path), `${method} ${path}`).toBe(false);
});
