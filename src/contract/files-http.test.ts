import { expect, test } from "bun:test";
import { accessFor, nextChunkBytes, parseFilesPath, previewType, UPLOAD_CHUNK_BYTES } from "./files-http.ts";

const ID = "0b7ee9a6-6d6f-4a8f-9d3c-1b2c3d4e5f60";

test("what is a files URL, and what is none", () => {
  expect(parseFilesPath(`/${ID}/files/download?path=a`)).toEqual({
    project_id: ID,
    verb: "download",
    upload_id: undefined,
    rest: "/download?path=a",
  });
  const id = "0123456789abcdef0123456789abcdef";
  expect(parseFilesPath(`/${ID}/files/uploads/${id}`)?.upload_id).toBe(id);
  for (const url of [
    `/${ID}/files/`,
    `/${ID}/files/uploads/../x`,
    `/${ID}/files/uploads/${id}/x`,
    `/${ID}/files/download/${id}`,
    `/${ID}/files/%64ownload`,
    `/${ID.toUpperCase()}/files/download`,
    `/${ID}/proxy/80/files/download`,
  ]) {
    expect(parseFilesPath(url)).toBeUndefined();
  }
});

test("a method that changes something needs the right to write", () => {
  expect(accessFor("download", "GET")).toBe("read");
  expect(accessFor("archive", "POST")).toBeUndefined();
  expect(accessFor("uploads", "PATCH")).toBe("write");
  expect(accessFor("uploads", "HEAD")).toBe("write");
  expect(accessFor("uploads", "GET")).toBeUndefined();
});

test("only a known ending has a type", () => {
  expect(previewType("a/plot.SVG")).toBe("image/svg+xml");
  for (const path of ["a.js", "a.constructor", "a.__proto__", ".html", "html", "a.html/b"])
    expect(previewType(path)).toBeUndefined();
});

test("parts grow on a fast line and shrink on a slow one, within limits", () => {
  const MIB = 2 ** 20;
  const after = (took: number[]) => took.reduce(nextChunkBytes, UPLOAD_CHUNK_BYTES) / MIB;
  expect(after([50])).toBe(16);
  expect(after(Array(20).fill(50))).toBe(16);
  expect(after([2_000, 2_000])).toBe(8);
  expect(after([20_000])).toBe(4);
  expect(after(Array(20).fill(20_000))).toBe(1);
  expect(after([20_000, 20_000, 50, 50, 50])).toBe(16);
});
