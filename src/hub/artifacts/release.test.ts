import { afterAll, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CodedError } from "../../core/errors.ts";
import { createRelease, fillIn } from "./release.ts";

const dir = mkdtempSync(join(tmpdir(), "cc-release-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const put = (name: string, text: string) => writeFileSync(join(dir, name), text);
const sum = (text: string) => createHash("sha256").update(text).digest("hex");

test("a checkout's hub lists what it has, and its installer trusts the pin alone", async () => {
  put("cocalc-project-host", "x64 program");
  put("cocalc-project-host-linux-arm64", "arm64 program");
  const release = createRelease(dir, "1.2.3", "x64");
  const list = await release.file("SHA256SUMS");
  expect("text" in list && list.text).toContain(`${sum("x64 program")}  cocalc-project-host-linux-x64\n`);
  expect("text" in list && list.text).toContain(`${sum("arm64 program")}  cocalc-project-host-linux-arm64\n`);
  expect("text" in list && list.text).toContain(`${sum("1.2.3\n")}  VERSION\n`);
  expect(release.script("abc=")).toContain("\nPIN='abc='\nRELEASE_URL=''\nRELEASE_KEY=''\n");
  const program = await release.file("cocalc-project-host-linux-arm64");
  expect(program).toEqual({
    path: join(dir, "cocalc-project-host-linux-arm64"),
    sha256: sum("arm64 program"),
  });
  for (const name of ["SHA256SUMS.sig", "rustic-linux-x64", "release-key", "hub.sqlite"])
    expect(release.file(name)).rejects.toThrow(CodedError);
});

test("an installed hub hands on the signed list, and the key by which machines check it", async () => {
  put("SHA256SUMS", "the list\n");
  put("SHA256SUMS.sig", "the signature\n");
  put("release-key", "ssh-ed25519 AAAA\n");
  put("VERSION", "1.2.4\n");
  const release = createRelease(dir, "1.2.4", "x64");
  expect(await release.file("SHA256SUMS")).toEqual({ text: "the list\n" });
  expect(await release.file("SHA256SUMS.sig")).toEqual({ text: "the signature\n" });
  expect(release.script("abc=")).toContain("\nRELEASE_KEY='ssh-ed25519 AAAA'\n");
});

test("what would end the quotes is not filled in", () => {
  expect(() => fillIn("PIN=''\n", "PIN", "'; id; '")).toThrow();
});
