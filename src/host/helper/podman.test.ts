import { expect, test } from "bun:test";
import { type ContainerPlace, type Engine, hardLimit, runArgs } from "./podman.ts";

const engine: Engine = {
  podman: "podman",
  runtime: "crun",
  cgroup: "v2",
  init: false,
  nofile: 1024,
  nproc: 500,
};
const place: ContainerPlace = {
  name: "cocalc-x",
  netns: "/run/netns/cocalc-n",
  rootfs: "/run/m",
  home: "/s/home",
  snapshots: undefined,
  agentDir: "/run/p",
  binary: "/b",
  log: "/s/log",
  pidFile: "/run/pid",
  base: 200_000,
  tini: true,
};
const params = {
  project_id: "11111111-2222-4333-8444-555555555555",
  digest: "ab".repeat(32),
  token: "very-secret-token-0",
  memory_bytes: 2 ** 30,
  cpus: 1.5,
  pids: 100,
  lan: "blocked" as const,
};

test("the template isolates: own ids, own network, limits, read-only agent, no token in the arguments", () => {
  const args = runArgs(engine, place, params);
  const after = (flag: string) => args[args.indexOf(flag) + 1];
  expect(after("--uidmap")).toBe("0:200000:65536");
  expect(after("--gidmap")).toBe("0:200000:65536");
  expect(after("--network")).toBe("ns:/run/netns/cocalc-n");
  expect(after("--memory")).toBe(String(2 ** 30));
  expect(after("--memory-swap")).toBe(after("--memory"));
  // What the agent's own threads need comes on top of what the project's processes may be.
  expect(after("--pids-limit")).toBe("164");
  expect(args).toContain("COCALC_PROCESS_LIMIT=100");
  expect(args).toContain("/b:/opt/cocalc/cocalc-project-host:ro");
  expect(args.join(" ")).not.toContain(params.token);
  for (const flag of ["--privileged", "--cap-add", "--device", "--pid", "--ipc", "--userns"])
    expect(args).not.toContain(flag);
});

test("an init comes from podman, else from the image", () => {
  expect(runArgs(engine, place, params)).toContain("/usr/bin/tini");
  const own = runArgs({ ...engine, init: true }, place, params);
  expect(own).toContain("--init");
  expect(own).not.toContain("/usr/bin/tini");
});

test("limits are never above our own", () => {
  const limits =
    "Limit   Soft  Hard  Units\nMax open files            1024     4096     files\nMax processes  unlimited unlimited processes";
  expect(hardLimit(limits, "Max open files", 65_536)).toBe(4096);
  expect(hardLimit(limits, "Max open files", 100)).toBe(100);
  expect(hardLimit(limits, "Max processes", 500)).toBe(500);
});
