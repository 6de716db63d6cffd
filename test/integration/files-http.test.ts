/** Files over HTTP through the hub's door, grants, the host and a real agent: what is asked for, and what goes wrong. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { archiveUrl, filesUrl, uploadsUrl } from "../../src/contract/files-http.ts";
import { encodePath, pathBytes, pathText, toBase64 } from "../../src/contract/path-bytes.ts";
import { execOk } from "../../src/core/exec.ts";
import { ADA, type ChainLab, openChain } from "../fixtures/chain-lab.ts";

let chain: ChainLab;
let home: string;
let id: string;
let origin: string;

beforeAll(async () => {
  chain = await openChain();
  home = chain.agent.home;
  id = chain.project_id;
  origin = `http://localhost:${chain.ports.loopbackUi}`;
});
afterAll(async () => await chain.close());

const get = (url: string, headers: Record<string, string> = {}) =>
  fetch(origin + url, { headers, redirect: "manual" });
const code = async (response: Response) => ((await response.json()) as { code: string }).code;

interface Tus {
  path: string;
  bytes: Uint8Array;
  exists?: string;
  length?: number;
}
async function create({ path, bytes, exists, length }: Tus): Promise<Response> {
  const pairs = [`path ${toBase64(pathBytes(path))}`];
  if (exists !== undefined) pairs.push(`exists ${btoa(exists)}`);
  return await fetch(origin + uploadsUrl(id), {
    method: "POST",
    headers: {
      "tus-resumable": "1.0.0",
      "upload-length": String(length ?? bytes.length),
      "upload-metadata": pairs.join(","),
    },
  });
}
const patch = (
  location: string,
  offset: number,
  bytes: Uint8Array,
  headers: Record<string, string> = {},
): Promise<Response> =>
  fetch(origin + location, {
    method: "PATCH",
    headers: {
      "tus-resumable": "1.0.0",
      "content-type": "application/offset+octet-stream",
      "upload-offset": String(offset),
      ...headers,
    },
    body: bytes as Uint8Array<ArrayBuffer>,
  });
const head = (location: string) =>
  fetch(origin + location, { method: "HEAD", headers: { "tus-resumable": "1.0.0" } });
async function upload(tus: Tus): Promise<Response> {
  const made = await create(tus);
  if (made.status !== 201) return made;
  return await patch(made.headers.get("location") ?? "", 0, tus.bytes);
}
const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("base64");

test("a file comes whole, in part, and not at all when it is known already", async () => {
  const bytes = randomBytes(300_000);
  writeFileSync(join(home, "a b.bin"), bytes);
  const whole = await get(filesUrl(id, "download", "a b.bin"));
  expect(whole.status).toBe(200);
  expect(Buffer.from(await whole.arrayBuffer()).equals(bytes)).toBe(true);
  expect(whole.headers.get("content-disposition")).toBe("attachment; filename*=UTF-8''a%20b.bin");
  expect(whole.headers.get("content-security-policy")).toContain("sandbox");
  expect(whole.headers.get("x-content-type-options")).toBe("nosniff");
  const etag = whole.headers.get("etag") ?? "";
  const part = await get(filesUrl(id, "download", "a b.bin"), { range: "bytes=100-199", "if-range": etag });
  expect(part.status).toBe(206);
  expect(part.headers.get("content-range")).toBe("bytes 100-199/300000");
  expect(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(100, 200))).toBe(true);
  expect((await get(filesUrl(id, "download", "a b.bin"), { "if-none-match": etag })).status).toBe(304);
  writeFileSync(join(home, "a b.bin"), "other");
  const changed = await get(filesUrl(id, "download", "a b.bin"), {
    range: "bytes=100-199",
    "if-range": etag,
  });
  expect(changed.status).toBe(200);
  expect(await changed.text()).toBe("other");
  expect((await get(filesUrl(id, "download", "a b.bin"), { range: "bytes=9-" })).status).toBe(416);
});

test("what is no file is told by a code, and nothing hangs", async () => {
  mkdirSync(join(home, "folder"));
  await execOk(["mkfifo", join(home, "pipe")]);
  for (const [path, status, expected] of [
    ["nothing", 404, "file.not-found"],
    ["folder", 409, "file.is-a-folder"],
    ["pipe", 422, "file.not-regular"],
  ] as const) {
    const response = await get(filesUrl(id, "download", path));
    expect({ status: response.status, code: await code(response) }).toEqual({ status, code: expected });
  }
  expect((await get(`/${id}/files/download?path=%2`)).status).toBe(400);
  expect((await get(`/${id}/files/other`)).status).toBe(404);
  expect((await fetch(origin + filesUrl(id, "download", "folder"), { method: "POST" })).status).toBe(404);
});

test("names of any bytes come and go", async () => {
  const names = [
    Buffer.from([0x62, 0xff, 0xfe, 0x0a, 0x64]),
    Buffer.from("-rf --no-preserve-root"),
    Buffer.from("x".repeat(255)),
    Buffer.from("new\nline\ttab\"quote'%"),
  ];
  for (const name of names) {
    const text = pathText(name);
    const done = await upload({ path: `names/${text}`, bytes: name });
    expect(done.status).toBe(204);
    expect(readFileSync(Buffer.concat([Buffer.from(`${home}/names/`), name])).equals(name)).toBe(true);
    const back = await get(filesUrl(id, "download", `names/${text}`));
    expect(Buffer.from(await back.arrayBuffer()).equals(name)).toBe(true);
    expect(back.headers.get("content-disposition")).toBe(`attachment; filename*=UTF-8''${encodePath(text)}`);
  }
  const long = await create({ path: "x".repeat(256), bytes: new Uint8Array(0) });
  expect({ status: long.status, code: await code(long) }).toEqual({
    status: 400,
    code: "file.name-too-long",
  });
});

test("an upload in parts, with hashes; a part that was spoiled on the way does not count", async () => {
  const bytes = randomBytes(500_000);
  const made = await create({ path: "deep/er/data.bin", bytes });
  expect(made.status).toBe(201);
  const location = made.headers.get("location") ?? "";
  const first = bytes.subarray(0, 200_000);
  const spoiled = await patch(location, 0, first, { "upload-checksum": `sha256 ${sha(bytes)}` });
  expect({ status: spoiled.status, code: await code(spoiled) }).toEqual({
    status: 460,
    code: "upload.checksum-mismatch",
  });
  expect((await head(location)).headers.get("upload-offset")).toBe("0");
  const good = await patch(location, 0, first, { "upload-checksum": `sha256 ${sha(first)}` });
  expect(good.headers.get("upload-offset")).toBe("200000");
  expect((await patch(location, 100_000, bytes)).status).toBe(409);
  expect((await patch(location, 200_000, bytes)).status).toBe(413);
  expect(existsSync(join(home, "deep/er/data.bin"))).toBe(false);
  const rest = bytes.subarray(200_000);
  const last = await patch(location, 200_000, rest, { "upload-checksum": `sha256 ${sha(rest)}` });
  expect({ status: last.status, path: last.headers.get("cocalc-upload-path") }).toEqual({
    status: 204,
    path: join(home, "deep/er/data.bin"),
  });
  expect(readFileSync(join(home, "deep/er/data.bin")).equals(bytes)).toBe(true);
  // Its last answer may have been lost: asked again, it says that it is done.
  expect((await head(location)).headers.get("upload-offset")).toBe("500000");
});

test("what was sent before the line broke is there when it goes on, and a dead writer makes way", async () => {
  const bytes = randomBytes(400_000);
  const made = await create({ path: "broken.bin", bytes });
  const location = made.headers.get("location") ?? "";
  const socket = connect(chain.ports.loopbackUi, "127.0.0.1");
  socket.write(
    `PATCH ${location} HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n` +
      "Content-Type: application/offset+octet-stream\r\nContent-Length: 400000\r\n\r\n",
  );
  socket.write(bytes.subarray(0, 150_000));
  await Bun.sleep(300);
  // The connection lives, but nothing comes: the next one does not wait for it.
  const asked = await head(location);
  const offset = Number(asked.headers.get("upload-offset"));
  expect(offset).toBe(150_000);
  expect((await patch(location, offset, bytes.subarray(offset))).status).toBe(204);
  expect(readFileSync(join(home, "broken.bin")).equals(bytes)).toBe(true);
  socket.destroy();
});

test("nothing is written over unasked: refused before it is sent, kept beside, or replaced", async () => {
  writeFileSync(join(home, "there.txt"), "old", { mode: 0o600 });
  const bytes = Buffer.from("new");
  const refused = await create({ path: "there.txt", bytes });
  expect({ status: refused.status, code: await code(refused) }).toEqual({ status: 409, code: "file.exists" });
  const both = await upload({ path: "there.txt", bytes, exists: "keep-both" });
  expect(both.headers.get("cocalc-upload-path")).toBe(encodePath(join(home, "there (2).txt")));
  expect(readFileSync(join(home, "there.txt"), "utf8")).toBe("old");
  symlinkSync("there.txt", join(home, "link.txt"));
  expect((await upload({ path: "link.txt", bytes, exists: "replace" })).status).toBe(204);
  expect(readFileSync(join(home, "there.txt"), "utf8")).toBe("new");
  expect(statSync(join(home, "there.txt")).mode & 0o777).toBe(0o600);
  // Somebody makes one of that name while it is under way.
  const made = await create({ path: "race.txt", bytes });
  writeFileSync(join(home, "race.txt"), "theirs");
  const late = await patch(made.headers.get("location") ?? "", 0, bytes);
  expect({ status: late.status, code: await code(late) }).toEqual({ status: 409, code: "file.exists" });
  expect(readFileSync(join(home, "race.txt"), "utf8")).toBe("theirs");
  // All bytes are there, but it is not done: a client that asks again must not believe so.
  expect((await head(made.headers.get("location") ?? "")).status).toBe(409);
});

test("what cannot fit is refused before the first byte; nonsense is refused", async () => {
  const huge = await create({ path: "huge", bytes: new Uint8Array(0), length: 900_000_000_000_000 });
  expect({ status: huge.status, code: await code(huge) }).toEqual({ status: 507, code: "file.no-space" });
  // The disk has room enough, the project's quota has not.
  chain.setRoom(20_000_000);
  const first = await create({ path: "half", bytes: new Uint8Array(0), length: 15_000_000 });
  expect(first.status).toBe(201);
  const more = await create({ path: "more", bytes: new Uint8Array(0), length: 15_000_000 });
  expect({ status: more.status, code: await code(more) }).toEqual({ status: 507, code: "file.no-space" });
  await fetch(origin + (first.headers.get("location") ?? ""), {
    method: "DELETE",
    headers: { "tus-resumable": "1.0.0" },
  });
  chain.setRoom(undefined);
  expect((await create({ path: "", bytes: new Uint8Array(1) })).status).toBe(400);
  expect((await create({ path: "x", bytes: new Uint8Array(1), exists: "perhaps" })).status).toBe(400);
  const old = await fetch(origin + uploadsUrl(id), { method: "POST", headers: { "upload-length": "1" } });
  expect(old.status).toBe(412);
  const gone = await head(`${uploadsUrl(id)}/${"0".repeat(32)}`);
  expect(gone.status).toBe(404);
  const made = await create({ path: "given-up", bytes: new Uint8Array(5) });
  const location = made.headers.get("location") ?? "";
  const ended = await fetch(origin + location, { method: "DELETE", headers: { "tus-resumable": "1.0.0" } });
  expect(ended.status).toBe(204);
  expect((await head(location)).status).toBe(404);
  expect(readdirSync(join(home, ".local/share/cocalc/uploads")).length).toBeLessThan(5);
});

test("a folder comes as zip and as tar: modes, links, empty folders, and what could not be read", async () => {
  const root = join(home, "tree");
  mkdirSync(join(root, "empty"), { recursive: true });
  mkdirSync(join(root, "sub"));
  writeFileSync(join(root, "sub/run.sh"), "#!/bin/sh\n");
  chmodSync(join(root, "sub/run.sh"), 0o755);
  writeFileSync(join(root, "grüße.txt"), "hello");
  symlinkSync("sub/run.sh", join(root, "link"));
  for (const format of ["zip", "tar"] as const) {
    const response = await get(archiveUrl(id, ["tree"], format));
    expect(response.headers.get("content-disposition")).toBe(`attachment; filename*=UTF-8''tree.${format}`);
    const out = mkdtempSync(join(tmpdir(), "unpacked-"));
    writeFileSync(join(out, "archive"), new Uint8Array(await response.arrayBuffer()));
    if (format === "tar") await execOk(["tar", "-C", out, "-xf", join(out, "archive")]);
    else {
      await execOk([
        "python3",
        "-c",
        "import sys,zipfile;z=zipfile.ZipFile(sys.argv[1]);assert z.testzip() is None;z.extractall(sys.argv[2]);print([(i.filename,oct(i.external_attr>>16)) for i in z.infolist()])",
        join(out, "archive"),
        out,
      ]);
    }
    expect(readFileSync(join(out, "tree/grüße.txt"), "utf8")).toBe("hello");
    expect(readdirSync(join(out, "tree/empty"))).toEqual([]);
    if (format === "tar") {
      expect(statSync(join(out, "tree/sub/run.sh")).mode & 0o777).toBe(0o755);
      expect(readFileSync(join(out, "tree/link"), "utf8")).toBe("#!/bin/sh\n");
    }
    rmSync(out, { recursive: true });
  }
  const missing = await get(archiveUrl(id, ["tree", "nothing"], "zip"));
  expect({ status: missing.status, code: await code(missing) }).toEqual({
    status: 404,
    code: "file.not-found",
  });
});

test("a viewer gets what is marked, whole, in parts and packed, and writes nothing", async () => {
  mkdirSync(join(home, "course/week1"), { recursive: true });
  mkdirSync(join(home, "private"));
  writeFileSync(join(home, "course/week1/slides.pdf"), "%PDF-1.4 slides");
  writeFileSync(join(home, "private/key"), "secret");
  symlinkSync("../private/key", join(home, "course/leak"));
  symlinkSync("../private", join(home, "course/folder"));
  const before = chain.route();
  chain.setRoute(async () => ({ ...(await before), paths: ["course"] }));
  try {
    const pdf = await get(filesUrl(id, "preview", "course/week1/slides.pdf"));
    expect([pdf.status, pdf.headers.get("content-type"), await pdf.text()]).toEqual([
      200,
      "application/pdf",
      "%PDF-1.4 slides",
    ]);
    const part = await get(filesUrl(id, "download", "course/week1/slides.pdf"), { range: "bytes=0-3" });
    expect([part.status, await part.text()]).toEqual([206, "%PDF"]);
    const tar = await get(archiveUrl(id, ["course"], "tar"));
    expect([tar.status, (await tar.text()).includes("secret")]).toEqual([200, false]);
    const outside = [
      filesUrl(id, "download", "private/key"),
      filesUrl(id, "download", "course/leak"),
      filesUrl(id, "download", "course/folder/key"),
      filesUrl(id, "download", "course/../private/key"),
      filesUrl(id, "preview", "a b.bin"),
      archiveUrl(id, ["."], "zip"),
      archiveUrl(id, ["course", "private"], "zip"),
    ];
    for (const url of outside) {
      // Nor does it help to say otherwise: the header is the host's own.
      const refused = await get(url, { "cocalc-view": encodeURIComponent('["/"]') });
      expect([url, refused.status, await code(refused)]).toEqual([url, 404, "file.not-found"]);
    }
    const written = await upload({ path: "course/new.txt", bytes: new Uint8Array(3) });
    expect([written.status, await code(written), existsSync(join(home, "course/new.txt"))]).toEqual([
      403,
      "view.refused",
      false,
    ]);
  } finally {
    chain.setRoute(() => before);
  }
});

test("without rights there is nothing; rights that end, end what is under way", async () => {
  chain.setCaller(null);
  expect((await get(filesUrl(id, "download", "a b.bin"))).status).toBe(401);
  chain.setCaller(ADA);
  writeFileSync(join(home, "big.bin"), new Uint8Array(200 * 1024 * 1024));
  const response = await get(filesUrl(id, "download", "big.bin"));
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  await reader.read();
  chain.setRoute(() => Promise.reject(new Error("not a member any more")));
  await chain.files.recheck(id);
  let got = 0;
  const ended = await (async () => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return "whole";
      got += value.length;
    }
  })().catch(() => "cut");
  expect({ ended, all: got < 200 * 1024 * 1024 }).toEqual({ ended: "cut", all: true });
});
