/** Images that others made: from a local OCI archive and from a tarball, with real podman, and projects on them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomUUID } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCommand } from "../../src/contract/project-client.ts";
import type { CodedError } from "../../src/core/errors.ts";
import { exec, execOk } from "../../src/core/exec.ts";
import { createHostImages } from "../../src/host/images/ensure.ts";
import { type ImageSource, importImage } from "../../src/host/images/import-image.ts";
import { createImages } from "../../src/hub/artifacts/images.ts";
import { type HelperLab, startHelperLab, whyNoHelper } from "../fixtures/helper-lab.ts";
import { smallRoot } from "../fixtures/small-root.ts";

const why = whyNoHelper();
const codeOf = (work: Promise<unknown>) =>
  work.then(
    () => "none",
    (error: CodedError) => error.code,
  );

describe.skipIf(why !== undefined)(`images of others${why ? ` (skipped: ${why})` : ""}`, () => {
  const dir = mkdtempSync(join(tmpdir(), "images-"));
  const images = join(dir, "images");
  const tree = join(dir, "tree");
  const archive = join(dir, "mine.tar");
  let lab: HelperLab;
  const take = (name: string, source: ImageSource) => importImage(images, name, source, () => {});
  /** As the daemon does after the download. */
  const unpack = async (digest: string) => {
    const file = `${digest}.tar.zst`;
    cpSync(join(images, file), join(lab.dataDir, "project-host/images", file));
    await lab.helper.call("image.unpack", { digest });
  };

  beforeAll(async () => {
    // An OCI archive as anybody's registry would give it: a shell, a few programs, no user 1000.
    await smallRoot(tree);
    await execOk(["sh", "-c", "echo made >etc/mine && tar -cf ../root.tar ."], { cwd: tree });
    const store = [
      "podman",
      "--root",
      join(dir, "s"),
      "--runroot",
      join(dir, "r"),
      "--storage-driver",
      "vfs",
    ];
    const timeout = 120_000;
    await execOk([...store, "import", join(dir, "root.tar"), "example.org/mine:1"], { timeout });
    const save = ["save", "--format", "oci-archive", "--output", archive, "example.org/mine:1"];
    await execOk([...store, ...save], { timeout });
    const docker = [
      "save",
      "--format",
      "docker-archive",
      "--output",
      join(dir, "docker.tar"),
      "example.org/mine:1",
    ];
    await execOk([...store, ...docker], { timeout });
    await exec([...store, "system", "reset", "--force"]);
    lab = await startHelperLab();
  }, 300_000);
  afterAll(async () => {
    await lab?.stop();
    rmSync(dir, { recursive: true, force: true });
  }, 60_000);

  test("what podman can pull becomes an image; a project starts on it, as user 1000, with what is in it", async () => {
    const made = await take("mine", { oci: `oci-archive:${archive}` });
    expect(createImages(images).list()).toMatchObject([{ image: "mine", digest: made.digest }]);
    expect(readdirSync(images).sort()).toEqual([`${made.digest}.tar.zst`, "mine.json"].sort());
    await unpack(made.digest);
    const id = randomUUID();
    const manager = await lab.manager(async () => made.digest);
    manager.start(lab.spec(id, { image: "mine" }));
    expect((await lab.until(manager, id, "running")).digest).toBe(made.digest);
    const peer = lab.router.server(`project.${id}.exec`);
    const { stdout } = await runCommand(peer, id, {
      argv: ["sh", "-c", "cat /etc/mine; id -un; pwd; touch ~/x && ls ~"],
    });
    expect(new TextDecoder().decode(stdout)).toBe("made\nuser\n/home/user\nx\n");

    // What it stands on is not taken away, whoever asks; with it gone, the host clears up what nobody names.
    const host = createHostImages({
      dir: join(dir, "downloads"),
      helper: lab.helper,
      link: () => {
        throw new Error("not asked");
      },
    });
    expect(await lab.helper.call("image.remove", { digest: made.digest })).toEqual({ removed: false });
    expect(await host.prune([lab.digest], [])).toEqual([]);
    await manager.remove(id);
    expect(await host.prune([lab.digest, made.digest], [])).toEqual([]);
    expect(await host.prune([lab.digest], [])).toEqual([made.digest]);
    expect((await lab.helper.call("image.list", {})).digests).toEqual([lab.digest]);
  }, 120_000);

  test("the same content is the same image, whenever and from wherever it is taken", async () => {
    const first = await take("mine", { oci: `oci-archive:${archive}` });
    const again = await take("mine", first.source);
    const docker = await take("other", { oci: `docker-archive:${join(dir, "docker.tar")}` });
    expect([again.digest, docker.digest]).toEqual([first.digest, first.digest]);
    expect(
      createImages(images)
        .list()
        .map(({ previous }) => previous),
    ).toEqual([[], []]);
  }, 120_000);

  test("a tarball is taken as well; made anew, the archive of before is still handed out", async () => {
    const first = await take("tarred", { tar: join(dir, "root.tar") });
    await execOk(["sh", "-c", "echo again >etc/mine && tar -cf ../root.tar ."], { cwd: tree });
    const second = await take("tarred", first.source);
    expect(second.digest).not.toBe(first.digest);
    const known = createImages(images);
    expect(known.named("tarred")).toContain(second.digest);
    expect(existsSync(known.archive(first.digest) ?? "")).toBe(true);
    expect(known.list().find(({ image }) => image === "tarred")?.previous).toMatchObject([
      { digest: first.digest },
    ]);
    expect(known.archive("../../etc/passwd")).toBeUndefined();
  }, 120_000);

  test("what cannot be a project's root is refused before it is kept", async () => {
    const empty = join(dir, "empty.tar");
    mkdirSync(join(dir, "e/etc"), { recursive: true });
    await execOk(["tar", "-cf", empty, "-C", join(dir, "e"), "."]);
    expect(await codeOf(take("bad", { tar: empty }))).toBe("image.unusable");
    expect(await codeOf(take("bad", { oci: `oci-archive:${empty}` }))).toBe("image.import-failed");
    expect(existsSync(join(images, "bad.json"))).toBe(false);
    expect(readdirSync(images).filter((name) => name.startsWith("."))).toEqual([]);
    expect(JSON.parse(readFileSync(join(images, "mine.json"), "utf8"))).toHaveProperty("source.oci");
  }, 60_000);
});
