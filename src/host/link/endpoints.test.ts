import { expect, test } from "bun:test";
import { createEndpoints } from "./endpoints.ts";

function endpoints(addresses: string[], up: string[]) {
  const asked: string[][] = [];
  const made = createEndpoints({
    direct: () => ({ addresses, port: 443 }),
    loopback: () => 9_204,
    answering: async (all) => {
      asked.push([...all]);
      return all.filter((one) => up.includes(one));
    },
  });
  const attempts = async (count: number) => {
    const tried: string[] = [];
    for (let left = count; left > 0; left--) {
      tried.push(await made.next());
      made.failed();
    }
    return tried;
  };
  return { made, asked, attempts };
}
const DOOR = "127.0.0.1:9204";

test("addresses that lead nowhere cost no attempt; by turns with the door for machines", async () => {
  const { attempts } = endpoints(["192.0.2.1", "10.0.0.1", "fd00::1"], ["10.0.0.1", "fd00::1"]);
  expect(await attempts(5)).toEqual(["10.0.0.1:443", DOOR, "[fd00::1]:443", DOOR, "10.0.0.1:443"]);
});

test("none answers: the door at once; one address alone is tried without asking", async () => {
  expect(await endpoints(["192.0.2.1", "192.0.2.2"], []).attempts(2)).toEqual([DOOR, DOOR]);
  const one = endpoints(["192.0.2.1"], []);
  expect(await one.attempts(2)).toEqual(["192.0.2.1:443", DOOR]);
  expect(one.asked).toEqual([]);
});

test("what worked last goes first", async () => {
  const addresses = ["192.0.2.1", "10.0.0.1"];
  const { made, attempts } = endpoints(addresses, ["10.0.0.1", "10.0.0.9"]);
  expect(await made.next()).toBe("10.0.0.1:443");
  made.succeeded();
  expect(await attempts(3)).toEqual(["10.0.0.1:443", DOOR, "10.0.0.1:443"]);
  expect(await made.next()).toBe(DOOR);
  made.succeeded();
  expect(await attempts(2)).toEqual([DOOR, "10.0.0.1:443"]);
});

test("what worked last is left alone once the hub no longer tells it", async () => {
  const addresses = ["192.0.2.1", "10.0.0.1"];
  const { made, attempts } = endpoints(addresses, ["10.0.0.1", "10.0.0.9"]);
  await made.next();
  made.succeeded();
  addresses[1] = "10.0.0.9";
  expect(await attempts(2)).toEqual(["10.0.0.9:443", DOOR]);
});
