/**
 * The host's daemon is killed while people type in one file: what anybody was told is kept is in it, and their pages go
 * on by themselves. A real hub, its doors, daemon and container; the pages' own half of editing over real sockets.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ConatClient, connect } from "../../src/conat/client.ts";
import type { Host, Project } from "../../src/contract/api.ts";
import { apiKeyOf, makeAccount } from "../fixtures/accounts.ts";
import { type EditPage, editPages } from "../fixtures/edit-page.ts";
import { descendantsOf } from "../fixtures/processes.ts";
import { type RunningHub, startHub, until } from "../fixtures/running-hub.ts";

const ROOT = process.getuid?.() === 0;
const SLOW = 120_000;
const EVERY_MS = 25;

describe.skipIf(!ROOT)("editing while the host's daemon is killed (needs root for podman)", () => {
  let hub: RunningHub;
  let project_id: string;
  const keys: Record<string, string> = {};
  let hostId: string;

  const browser = (name = "Ada"): ConatClient =>
    connect({
      url: `${hub.url.replace(/^http/, "ws")}/${hostId}/conat`,
      headers: () => ({ authorization: `Bearer ${keys[name]}` }),
    });
  const pages = editPages<ConatClient>(() => ({ project_id, browser }));
  const clients = new Set<ConatClient>();

  const inProject = async (command: string) =>
    (await hub.cli("project", "exec", project_id, "--", "sh", "-c", command)).stdout;
  const daemon = () =>
    descendantsOf(hub.pid).find(({ argv }) => argv[0]?.endsWith("cocalc-project-host") && argv[1] === "serve")
      ?.pid;

  beforeAll(async () => {
    hub = await startHub();
    await makeAccount(hub, "setup", "Ada", "ada@example.com");
    await makeAccount(hub, "user", "Ben", "ben@example.com");
    keys.Ada = await apiKeyOf(hub, "ada@example.com");
    keys.Ben = await apiKeyOf(hub, "ben@example.com");
    hostId = await until(
      "this machine is a ready host",
      async () => (await hub.json<Host[]>("host", "list")).find((one) => one.state === "ready")?.host_id,
      60_000,
    );
    ({ project_id } = await hub.json<Project>("project", "create", "--name", "verse"));
    await hub.json("project", "start", project_id);
    await hub.json("project", "share", "add", project_id, "ben@example.com", "--role", "collaborator");
    await inProject(String.raw`printf 'Ada:\nBen:\n' > song.txt; printf 'start\n' > last.txt`);
  }, SLOW);
  afterAll(async () => {
    for (const link of pages.links) link.close();
    for (const client of clients) client.close();
    await hub?.stop();
  }, SLOW);

  /** Types numbers behind a name until told to stop. */
  function typing(page: EditPage<ConatClient>, name: string) {
    clients.add(page.peer());
    let count = 0;
    const timer = setInterval(() => {
      page.type(`${name}:${numbers(count)}`, `${name}:${numbers(count + 1)}`);
      count += 1;
    }, EVERY_MS);
    return {
      count: () => count,
      stop: () => clearInterval(timer),
    };
  }
  const numbers = (count: number) => Array.from({ length: count }, (_, n) => ` ${n}`).join("");

  test(
    "two go on typing through two kills, and every key is there once; so is what a page left behind",
    async () => {
      const [ada, ben] = [pages.page("song.txt"), pages.page("song.txt", { name: "Ben" })];
      const leaving = pages.page("last.txt", { name: "Ben" });
      clients.add(leaving.peer());
      for (const one of [ada, ben, leaving]) await pages.ready(one);
      await pages.until("Ada sees Ben", () => ada.state().others.some(({ name }) => name === "Ben"));
      const typists = [typing(ada, "Ada"), typing(ben, "Ben")];
      try {
        for (let round = 0; round < 2; round++) {
          const before = typists.map((one) => one.count());
          await pages.until("both typed", () => typists.every((one, n) => one.count() > before[n]! + 20));
          if (round === 1) {
            // Told that it is kept, and not yet in the file: its page never comes back.
            leaving.type("start", "start, and the last word");
            await pages.until("it is kept", () => leaving.state().unkept === 0);
            leaving.link.close();
          }
          const pid = daemon() ?? 0;
          process.kill(pid, "SIGKILL");
          await pages.until("both notice", () => !ada.state().live && !ben.state().live);
          await pages.until("both are back", () => ada.state().live && ben.state().live);
          expect(daemon()).not.toBe(pid);
        }
      } finally {
        for (const one of typists) one.stop();
      }
      await Promise.all([pages.saved(ada), pages.saved(ben)]);
      await pages.until("they agree", () => ada.link.text === ben.link.text);
      const [a, b] = typists.map((one) => numbers(one.count()));
      const text = `Ada:${a}\nBen:${b}\n`;
      expect(ada.link.text).toBe(text);
      expect(await inProject("cat song.txt")).toBe(text);
      await until(
        "what the page left behind is in the file",
        async () => (await inProject("cat last.txt")) === "start, and the last word\n",
        10_000,
      );
      await pages.until("Ada sees Ben again", () => ada.state().others.some(({ name }) => name === "Ben"));
    },
    SLOW,
  );
});
