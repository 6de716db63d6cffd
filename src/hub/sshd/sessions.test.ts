import { expect, test } from "bun:test";
import { startTime } from "../../core/processes.ts";
import { inodesOfPort } from "./sessions.ts";

test("of the kernel's table, only established connections that came to the port", () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   6: 00000000:B32F 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 184431 1 00 100 0 0 10 0
   9: 0100007F:B32F 0100007F:E0F6 01 00000000:00000000 02:000AFBAF 00000000   999        0 184492 2 00 20 4 17 18 -1
  16: 0100007F:E0F6 0100007F:B32F 01 00000000:00000000 02:000AFBAE 00000000     0        0 184491 2 00 20 4 20 18 -1
  17: 0100007F:B32F 0100007F:E0F8 06 00000000:00000000 03:000AFBAE 00000000     0        0 0 3 00
`;
  expect(inodesOfPort(table, 45871)).toEqual(["184492"]);
});

test("a process that is gone has no start time", () => {
  expect(startTime(process.pid)).toBeGreaterThan(0);
  expect(startTime(4_190_000)).toBeUndefined();
});
