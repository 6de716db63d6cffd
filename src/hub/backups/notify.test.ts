/** Alarms told outside: to a real HTTP receiver, and through a real command as sendmail is called. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Alarm } from "../../contract/api-backups.ts";
import { createNotifier } from "./notify.ts";

const alarm = (code: string): Alarm => ({ code, severity: "bad", title: `${code} happened`, fix: "mend it" });
const dir = mkdtempSync(join(tmpdir(), "notify-"));
const program = join(dir, "sendmail");
const mailed = join(dir, "mail");
let server: ReturnType<typeof Bun.serve>;
let got: { hub: string; alarms: Alarm[] }[] = [];
let status = 200;
let values: Record<string, string> = {};
const settings = { get: async (key: string) => values[key] ?? "" } as never;

beforeAll(() => {
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      got.push((await request.json()) as (typeof got)[number]);
      return new Response(null, { status });
    },
  });
  writeFileSync(program, `#!/bin/sh\necho "$@" >>'${mailed}'\ncat >>'${mailed}'\n`);
  chmodSync(program, 0o755);
});
afterAll(async () => {
  await server.stop(true);
  rmSync(dir, { recursive: true, force: true });
});
beforeEach(() => {
  got = [];
  status = 200;
  rmSync(mailed, { force: true });
  values = { hub_name: "Lab", alarm_webhook: `http://127.0.0.1:${server.port}/alarms` };
});

describe("told outside", () => {
  test("a webhook gets what is wrong, once for each change, and that it is over", async () => {
    const notify = createNotifier(settings, [program]);
    await notify([]);
    expect(got).toEqual([]);
    await notify([alarm("a")]);
    await notify([alarm("a")]);
    expect(got).toEqual([{ hub: "Lab", alarms: [alarm("a")] }]);
    await notify([alarm("a"), alarm("b")]);
    await notify([]);
    expect(got.map((one) => one.alarms.length)).toEqual([1, 2, 0]);
    expect(existsSync(mailed)).toBe(false);
  });
  test("a receiver that fails is told again at the next round", async () => {
    const notify = createNotifier(settings, [program]);
    status = 500;
    await notify([alarm("a")]);
    status = 200;
    await notify([alarm("a")]);
    await notify([alarm("a")]);
    expect(got).toHaveLength(2);
  });
  test("mail goes to the command as sendmail takes it", async () => {
    values = { hub_name: "Lab", alarm_mail: "ada@example.com" };
    const notify = createNotifier(settings, [join(dir, "none"), program]);
    await notify([alarm("a")]);
    const text = readFileSync(mailed, "utf8");
    expect(text).toStartWith("-t -i\nTo: ada@example.com\nSubject: [Lab] 1 backup alarm\n");
    expect(text).toContain("a happened\n  fix: mend it");
    await notify([]);
    expect(readFileSync(mailed, "utf8")).toContain("Subject: [Lab] all is well again");
  });
  test("no mail program: it is tried again, when there is one it is told", async () => {
    values = { hub_name: "Lab", alarm_mail: "ada@example.com" };
    const late = join(dir, "late");
    const notify = createNotifier(settings, [late]);
    await notify([alarm("a")]);
    expect(existsSync(mailed)).toBe(false);
    writeFileSync(late, readFileSync(program));
    chmodSync(late, 0o755);
    await notify([alarm("a")]);
    expect(readFileSync(mailed, "utf8")).toContain("a happened");
  });
});
