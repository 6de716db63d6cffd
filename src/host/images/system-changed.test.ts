import { expect, test } from "bun:test";
import type { ProblemDetails } from "../../core/errors.ts";
import { createSystemWatch } from "./system-changed.ts";

const OLD = "1".repeat(64);
const NEW = "2".repeat(64);

test("what runs on the machine's programs is told once they are others; nobody else is, nor twice", async () => {
  const projects = new Map(
    [
      ["own", "system", OLD, null],
      ["own, told already", "system", OLD, { code: "project.idle-soon", title: "" }],
      ["own, restarted since", "system", NEW, null],
      ["base", "base", OLD, null],
    ].map(([id, image, digest, problem]) => [
      id as string,
      { image, status: { project_id: id, state: "running", digest, problem } },
    ]),
  );
  const told: [string, ProblemDetails | null][] = [];
  let asked = 0;
  const watch = createSystemWatch({
    manager: {
      statuses: () => [...projects.values()].map(({ status }) => status),
      spec: (id: string) => ({ image: projects.get(id)?.image }),
      notice: (id: string, problem: ProblemDetails | null) => told.push([id, problem]),
    },
    helper: {
      call: async () => {
        asked += 1;
        return { digest: NEW, problem: null };
      },
    },
  } as never);
  await watch.look();
  expect(told).toMatchObject([["own", { code: "project.system-changed" }]]);
  expect(told[0]?.[1]?.why).toContain("111111111111 became 222222222222");
  // Where nothing runs on them, the machine is not looked at.
  projects.delete("own");
  projects.delete("own, told already");
  projects.delete("own, restarted since");
  await watch.look();
  expect([told.length, asked]).toEqual([1, 1]);
});
