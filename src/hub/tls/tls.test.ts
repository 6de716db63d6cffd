import { expect, test } from "bun:test";
import { X509Certificate } from "node:crypto";
import { mkdtempSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadTls } from "./tls.ts";

test("a client that trusts the CA alone reaches the hub by address and by name; the pin outlives a renewal", async () => {
  const dir = mkdtempSync(join(tmpdir(), "tls-"));
  const tls = await loadTls(dir, ["localhost", "127.0.0.1", "10.1.2.3", "hub.example.org"]);
  const server = createServer({ cert: tls.certPem, key: tls.keyPem }, (_req, res) => res.end("hello"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  try {
    for (const name of ["127.0.0.1", "localhost"]) {
      const response = await fetch(`https://${name}:${port}/`, { tls: { ca: tls.caPem } } as RequestInit);
      expect(await response.text()).toBe("hello");
    }
    await expect(fetch(`https://127.0.0.1:${port}/`)).rejects.toThrow();
  } finally {
    server.close();
  }
  const again = await loadTls(dir, ["localhost", "127.0.0.1", "10.9.9.9"]);
  expect(again.pin).toBe(tls.pin);
  expect(again.caPem).toBe(tls.caPem);
  expect(new X509Certificate(again.certPem).subjectAltName).toContain("10.9.9.9");
});
