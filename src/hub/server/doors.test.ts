import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type TLSSocket } from "node:tls";
import { freeBasePort } from "../../../test/fixtures/running-hub.ts";
import { derivePorts } from "../../core/ports.ts";
import { createLiveTls, type LiveTls } from "../tls/live-tls.ts";
import { type Doors, openDoors } from "./doors.ts";

const dir = mkdtempSync(join(tmpdir(), "doors-"));
const ports = derivePorts(freeBasePort());
let names = ["localhost"];
let tls: LiveTls;
let doors: Doors;
let finish = () => {};

beforeAll(async () => {
  tls = await createLiveTls(join(dir, "tls"), () => names);
  doors = await openDoors({
    ports,
    tls,
    names: () => names,
    socketPath: join(dir, "hub.sock"),
    handlers: {
      request(req, res, door) {
        if (req.url === "/slow") {
          res.write("first");
          finish = () => res.end("last");
        } else res.end(`${door.kind} ${door.port}`);
      },
      upgrade: (_req, socket) => void socket.destroy(),
    },
  });
});
afterAll(async () => {
  tls.close();
  await doors.close();
  rmSync(dir, { recursive: true, force: true });
});

const open = (port: number) =>
  new Promise<TLSSocket>((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => resolve(socket));
    socket.once("error", reject);
  });
const said = (socket: TLSSocket) =>
  new Promise<string>((resolve, reject) => {
    socket.once("data", (chunk: Buffer) => resolve(chunk.toString()));
    socket.once("close", () => reject(new Error("the connection was closed")));
  });
/** One request on a connection that is kept. */
const ask = async (socket: TLSSocket, path = "/") => {
  socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`);
  return await said(socket);
};
const shown = (socket: TLSSocket) => socket.getPeerX509Certificate()?.subjectAltName ?? "";

test("a new name is in the certificate at once, an answer under way goes on, the machines' door is left alone", async () => {
  const before = await open(ports.https);
  const machine = await open(ports.machines);
  expect(shown(before)).not.toContain("hub.lab");
  expect(await ask(machine)).toContain(`ui ${ports.machines}`);
  expect(await ask(before, "/slow")).toContain("first");
  names = ["localhost", "hub.lab"];
  await tls.refresh();
  for (const port of [ports.https, ports.apps]) {
    const after = await open(port);
    expect(shown(after)).toContain("hub.lab");
    after.destroy();
  }
  const rest = said(before);
  finish();
  expect(await rest).toContain("last");
  expect(await ask(machine)).toContain(`ui ${ports.machines}`);
  before.destroy();
  machine.destroy();
});
