import { expect, test } from "bun:test";
import { accessFor, parseFilesPath, previewType } from "./files-http.ts";

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
