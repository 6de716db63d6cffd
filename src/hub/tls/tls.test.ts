import { afterAll, describe, expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLiveTls } from "./live-tls.ts";
import { type Certificate, isPermitted, loadTls } from "./tls.ts";

const dirs: string[] = [];
const newDir = () => {
  const dir = mkdtempSync(join(tmpdir(), "tls-"));
  dirs.push(dir);
  return dir;
};
afterAll(() => {
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
});

/** What a client that trusts `ca` alone is told by a server with this certificate; throws when it is refused. */
async function ask(certificate: Certificate, ca: string | undefined, name: string): Promise<string> {
  const server = createServer({ cert: certificate.certPem, key: certificate.keyPem }, (_req, res) =>
    res.end("hello"),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as AddressInfo;
    return await (await fetch(`https://${name}:${port}/`, { tls: { ca } } as RequestInit)).text();
  } finally {
    server.close();
  }
}

describe("the hub's certificates", () => {
  test("a client that trusts the CA alone reaches the hub by address and by name; the pin outlives a renewal", async () => {
    const dir = newDir();
    const tls = await loadTls(dir, ["localhost", "127.0.0.1", "10.1.2.3", "hub.example.org"]);
    for (const name of ["127.0.0.1", "localhost"])
      expect(await ask(tls.people, tls.people.caPem, name)).toBe("hello");
    await expect(ask(tls.people, undefined, "127.0.0.1")).rejects.toThrow();
    const again = await loadTls(dir, ["localhost", "127.0.0.1", "10.9.9.9"]);
    expect(again.people.pin).toBe(tls.people.pin);
    expect(again.caPem).toBe(tls.caPem);
    expect(new X509Certificate(again.people.certPem).subjectAltName).toContain("10.9.9.9");
  });

  test("a name that came later is served, and a machine that pinned the first CA still comes in", async () => {
    const dir = newDir();
    const before = await loadTls(dir, ["localhost", "127.0.0.1"]);
    const after = await loadTls(dir, ["localhost", "127.0.0.1", "hub.lab.example"]);
    expect(new X509Certificate(after.people.certPem).subjectAltName).toContain("hub.lab.example");
    expect(await ask(after.people, after.people.caPem, "localhost")).toBe("hello");
    // Its constraints do not know the new name.
    await expect(ask(after.people, before.caPem, "localhost")).rejects.toThrow();
    expect(await ask(after.machines, before.caPem, "127.0.0.1")).toBe("hello");
    expect(await loadTls(dir, ["localhost", "127.0.0.1", "hub.lab.example"])).toEqual(after);
  });

  test("the administrator's own certificate is for people; machines keep theirs", async () => {
    const dir = newDir();
    const ours = await loadTls(dir, ["localhost", "127.0.0.1"]);
    const other = newDir();
    const foreign = await loadTls(other, ["localhost", "127.0.0.1"]);
    copyFileSync(join(other, "people.pem"), join(dir, "cert.pem"));
    copyFileSync(join(other, "people-key.pem"), join(dir, "key.pem"));
    const own = await loadTls(dir, ["localhost", "127.0.0.1"]);
    expect(own.people.caPem).toBeUndefined();
    expect(await ask(own.people, foreign.people.caPem, "localhost")).toBe("hello");
    expect(await ask(own.machines, ours.caPem, "127.0.0.1")).toBe("hello");
  });

  test("a key that is another certificate's is refused, and a running hub goes on with what it had", async () => {
    const dir = newDir();
    const live = await createLiveTls(dir, () => ["localhost", "127.0.0.1"]);
    const changes: string[] = [];
    live.onChange((tls) => changes.push(tls.people.pin));
    const before = live.current.people.certPem;
    writeFileSync(join(dir, "cert.pem"), live.current.people.certPem);
    writeFileSync(join(dir, "key.pem"), live.current.machines.keyPem);
    await expect(loadTls(dir, ["localhost"])).rejects.toMatchObject({
      details: { code: "tls.own-unusable" },
    });
    await live.refresh();
    expect(live.current.people.certPem).toBe(before);
    expect(changes).toEqual([]);
    const other = await loadTls(newDir(), ["localhost"]);
    writeFileSync(join(dir, "cert.pem"), other.people.certPem);
    writeFileSync(join(dir, "key.pem"), other.people.keyPem);
    await live.refresh();
    expect(changes).toEqual([other.people.pin]);
    live.close();
  });

  test("a name constraint lets the name and what is below it through", () => {
    expect(isPermitted("hub.example.org", ["example.org"])).toBe(true);
    expect(isPermitted("example.org", ["example.org"])).toBe(true);
    expect(isPermitted("badexample.org", ["example.org"])).toBe(false);
    expect(isPermitted("10.1.2.3", [])).toBe(true);
  });
});
