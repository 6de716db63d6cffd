import { expect, test } from "bun:test";
import { fingerprintOf, installedPackages, withoutCredentials } from "./system-image.ts";

const stanza = (name: string, version: string, status = "install ok installed") =>
  `Package: ${name}\nStatus: ${status}\nArchitecture: amd64\nVersion: ${version}\nDescription: x\n Status: y`;

test("what is installed is told by name, version and architecture; what was removed is not", () => {
  const status = [
    stanza("zsh", "5.9-4"),
    stanza("bash", "5.2-1"),
    stanza("old", "1", "deinstall ok config-files"),
  ];
  expect(installedPackages(`${status.join("\n\n")}\n`)).toEqual(["bash 5.2-1 amd64", "zsh 5.9-4 amd64"]);
  // Held back, it is there all the same.
  expect(installedPackages(stanza("a", "1", "hold ok installed"))).toEqual(["a 1 amd64"]);
});

test("a fingerprint is of the release, the processor and each package", () => {
  const all = [
    fingerprintOf("12", "x64", ["bash 5"]),
    fingerprintOf("13", "x64", ["bash 5"]),
    fingerprintOf("12", "arm64", ["bash 5"]),
    fingerprintOf("12", "x64", ["bash 6"]),
    fingerprintOf("12", "x64", ["bash 5", "zsh 1"]),
  ];
  expect(new Set(all).size).toBe(all.length);
  expect(fingerprintOf("12", "x64", ["bash 5"])).toBe(all[0] ?? "");
});

test("an address of a package source keeps neither name nor password", () => {
  expect(withoutCredentials("deb [signed-by=/k] https://me:s3cret@mirror.example/debian trixie main\n")).toBe(
    "deb [signed-by=/k] https://mirror.example/debian trixie main\n",
  );
  expect(withoutCredentials("URIs: http://deb.debian.org/debian")).toBe("URIs: http://deb.debian.org/debian");
});
