/** Against a FAKE `multipass` that checks its arguments against the published command line and boots nothing. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { encodeJoinToken, type JoinTokenContent } from "../../contract/join-token.ts";
import { CodedError } from "../../core/errors.ts";
import { userData } from "./cloud-init.ts";
import { createMultipass, vmName } from "./multipass.ts";

const dir = mkdtempSync(join(tmpdir(), "vms-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const state = join(dir, "state.json");
const program = join(dir, "multipass");
const fake = resolve(import.meta.dir, "../../../test/fixtures/fake-multipass.ts");
writeFileSync(program, `#!/bin/sh\nexec '${process.execPath}' '${fake}' '${state}' "$@"\n`, { mode: 0o755 });

const content: JoinTokenContent = {
  v: 1,
  token_id: crypto.randomUUID(),
  hub_id: crypto.randomUUID(),
  kind: "self-host",
  addresses: ["hub.lab", "fd00::1"],
  https_port: 9200,
  sshd_port: 9201,
  ssh_fingerprint: `SHA256:${"A".repeat(43)}`,
  ssh_user: "cocalc",
  tls_pin: `${"p".repeat(43)}=`,
  secret: "s".repeat(43),
  exp: 2_000_000_000,
};
const codeOf = async (run: () => unknown) => {
  try {
    await run();
    return "it worked";
  } catch (error) {
    return error instanceof CodedError ? error.code : String(error);
  }
};
interface Kept {
  name: string;
  state: string;
  cpus: string;
  memory: string;
  disk: string;
  userData: string;
}
const kept = () => JSON.parse(readFileSync(state, "utf8")) as Kept[];

test("made, stopped, started, resized, deleted; a person's own machine beside it is never seen", async () => {
  writeFileSync(
    state,
    JSON.stringify([{ name: "primary", state: "Running", ipv4: [], release: "", disk: "5G" }]),
  );
  const vms = createMultipass(program);
  expect(await vms.list()).toEqual([]);
  const token = encodeJoinToken(content);
  const made = await vms.create("lab", { cpus: 2, memory: 4, disk: 40 }, userData(token, content));
  expect(made).toMatchObject({ name: "cocalc-lab", state: "Running", ipv4: ["10.1.2.3"] });
  expect(await codeOf(() => vms.create("lab", { cpus: 1, memory: 1, disk: 10 }, "#cloud-config\n"))).toBe(
    "vm.exists",
  );
  expect((await vms.stop("lab")).state).toBe("Stopped");
  expect((await vms.stop("cocalc-lab")).state).toBe("Stopped");
  expect((await vms.start("lab")).state).toBe("Running");
  expect((await vms.resize("lab", { cpus: 4, disk: 60 })).state).toBe("Running");
  expect(kept()[1]).toMatchObject({ cpus: "4", memory: "4G", disk: "60G" });
  // No disk gets smaller; what ran runs again.
  expect(await codeOf(() => vms.resize("lab", { disk: 10 }))).toBe("vm.failed");
  expect((await vms.list())[0]?.state).toBe("Running");
  for (const act of [vms.stop, vms.start, vms.remove])
    expect(await codeOf(() => act("primary"))).toBe("vm.not-found");
  await vms.remove("lab");
  expect(kept().map((one) => one.name)).toEqual(["primary"]);
});

test("user data: the token in a file of root's alone, each address of the hub, the pinned key", () => {
  const token = encodeJoinToken(content);
  const text = userData(token, content);
  expect(text).not.toContain(token);
  const parsed = JSON.parse(text.replace("#cloud-config\n", "")) as {
    write_files: { path: string; permissions: string; content: string }[];
    runcmd: string[][];
  };
  const file = (name: string) => {
    const one = parsed.write_files.find(({ path }) => path.endsWith(`/${name}`));
    return { mode: one?.permissions, text: Buffer.from(one?.content ?? "", "base64").toString("utf8") };
  };
  expect(file("token")).toEqual({ mode: "0600", text: token });
  expect(file("hubs").text).toBe("https://hub.lab:9200\nhttps://[fd00::1]:9200\n");
  expect(file("join.sh").text).toContain("--pinnedpubkey");
  expect(parsed.runcmd).toEqual([["sh", "/root/cocalc-join/join.sh"]]);
});

test("where there is no Multipass, the command that installs it is said; names that are none are refused", async () => {
  const none = createMultipass("no-such-multipass");
  let problem: CodedError | undefined;
  await none.list().catch((error: CodedError) => {
    problem = error;
  });
  expect(problem?.details).toMatchObject({ code: "vm.no-multipass", command: "sudo snap install multipass" });
  for (const bad of ["", "A", "a b", "-x", "a;id", "x".repeat(60)]) {
    expect([bad, await codeOf(() => vmName(bad))]).toEqual([bad, "vm.bad-name"]);
  }
});
