import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execOk } from "./exec.ts";
import { parseAuthorizedKeys, parsePublicKey } from "./ssh-public-key.ts";

async function made(type: string, bits: string): Promise<{ line: string; listed: string; private: string }> {
  const dir = mkdtempSync(join(tmpdir(), "keys-"));
  try {
    const path = join(dir, "k");
    await execOk([
      "ssh-keygen",
      "-q",
      "-t",
      type,
      "-b",
      bits,
      "-N",
      "",
      "-C",
      "ada on her laptop",
      "-f",
      path,
    ]);
    return {
      line: readFileSync(`${path}.pub`, "utf8"),
      listed: await execOk(["ssh-keygen", "-lf", path]),
      private: readFileSync(path, "utf8"),
    };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

for (const [type, bits] of [
  ["ed25519", "256"],
  ["rsa", "3072"],
  ["ecdsa", "256"],
  ["ecdsa", "384"],
  ["ecdsa", "521"],
] as const) {
  test(`${type} ${bits}: bits, fingerprint and comment as ssh-keygen says`, async () => {
    const { line, listed } = await made(type, bits);
    const key = parsePublicKey(line);
    expect(`${key.bits} ${key.fingerprint} ${key.comment}`).toBe(listed.trim().replace(/ \(\w+\)$/, ""));
  });
}

test("what is no key, too weak, or private is refused with its cause", async () => {
  const code = (text: string) => {
    try {
      parsePublicKey(text);
      return "taken";
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  const good = await made("ed25519", "256");
  expect(code(good.private)).toBe("ssh-key.private");
  expect(code((await made("rsa", "1024")).line)).toBe("ssh-key.weak");
  expect(code("")).toBe("ssh-key.malformed");
  expect(code("hello world")).toBe("ssh-key.malformed");
  expect(code(`${good.line.trim()}\nssh-ed25519 AAAA`)).toBe("ssh-key.malformed");
  const [type, blob = ""] = good.line.split(" ");
  expect(code(`${type} ${blob.slice(0, -8)}`)).toBe("ssh-key.malformed");
  expect(code(`ssh-rsa ${blob}`)).toBe("ssh-key.malformed");
  expect(code(`${type} ${blob}AAAA`)).toBe("ssh-key.malformed");
  expect(code(`sk-ssh-ed25519@openssh.com ${blob}`)).toBe("ssh-key.unsupported");
  expect(code(`ssh-dss ${blob}`)).toBe("ssh-key.unsupported");
});

test("authorized_keys: options are never ignored, junk is skipped, and there is a limit", async () => {
  const { line } = await made("ed25519", "256");
  const text = `# mine\n\n${line}command="rm -rf /" ${line}restrict ${line}junk\n\0\n${"x".repeat(100_000)}\n`;
  expect(parseAuthorizedKeys(text).map((key) => key.comment)).toEqual(["ada on her laptop"]);
  expect(parseAuthorizedKeys(line.repeat(1000))).toHaveLength(200);
});
