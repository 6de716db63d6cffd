import { expect, test } from "bun:test";
import { distribution, ownEntries } from "./apt-sources.ts";

test("the distribution is read, another one is refused with what it is", () => {
  expect(distribution("ID=debian\nVERSION_CODENAME=bookworm\n")).toEqual({
    id: "debian",
    codename: "bookworm",
  });
  expect(distribution('ID="ubuntu"\nVERSION_CODENAME="noble"')).toEqual({ id: "ubuntu", codename: "noble" });
  expect(() => distribution("ID=fedora\n")).toThrow("Debian and Ubuntu");
});

test("one-line entries: the release's own stay, third parties and source packages go", () => {
  const text = `deb http://mirror.example/debian bookworm main
deb [signed-by=/usr/share/keyrings/x.gpg] http://mirror.example/debian-security bookworm-security main
deb-src http://mirror.example/debian bookworm main
# deb http://mirror.example/debian bookworm-updates main
deb https://user:pw@packages.example.com/apt stable main
deb http://mirror.example/debian sid main`;
  expect(ownEntries(text, "list", "bookworm").map((line) => line.split("/").pop())).toEqual([
    "debian bookworm main",
    "debian-security bookworm-security main",
  ]);
});

test("deb822 stanzas: disabled and foreign ones go", () => {
  const own =
    "Types: deb\nURIs: http://archive.ubuntu.com/ubuntu\nSuites: noble noble-updates\nComponents: main";
  const text = `# a comment\n${own}\n\nEnabled: no\n${own}\n\nTypes: deb\nURIs: https://deb.nodesource.com\nSuites: nodistro\nComponents: main\n`;
  expect(ownEntries(text, "sources", "noble")).toEqual([own]);
});
