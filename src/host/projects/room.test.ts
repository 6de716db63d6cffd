import { expect, test } from "bun:test";
import { FullLine, hasRoom } from "./room.ts";

const GIB = 2 ** 30;

test("a twentieth of the machine, and never less than an agent and a shell need", () => {
  expect(hasRoom(8 * GIB, 64 * GIB)).toBe(true);
  expect(hasRoom(3 * GIB, 64 * GIB)).toBe(false);
  expect(hasRoom(0.3 * GIB, 2 * GIB)).toBe(true);
  expect(hasRoom(0.2 * GIB, 2 * GIB)).toBe(false);
});

test("a full machine's line goes on in the order of arrival, with places told; who gives up leaves it", async () => {
  let room = false;
  const line = new FullLine(() => room, 1);
  const went: string[] = [];
  const places: Record<string, number[]> = { a: [], b: [], c: [] };
  let bWanted = true;
  const wait = (name: string, wanted: () => boolean) =>
    line.wait(wanted, (place) => places[name]?.push(place)).then(() => went.push(name));
  const all = [wait("a", () => true), wait("b", () => bWanted), wait("c", () => true)];
  await Bun.sleep(5);
  expect(line.length).toBe(3);
  bWanted = false;
  await Bun.sleep(10);
  room = true;
  await Promise.all(all);
  expect(went).toEqual(["b", "a", "c"]);
  expect(places).toEqual({ a: [1], b: [2], c: [3, 2] });
  expect(line.length).toBe(0);
});
