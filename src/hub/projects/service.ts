/** What can be done with a project: placed, started, stopped, deleted. Long actions are operations. */
import type { Host, Limits, Operation, Project } from "../../contract/api.ts";
import { type HostVerb, type ProjectStatus, projectStatusSchema } from "../../contract/host-control.ts";
import type { ProjectUsage } from "../../contract/usage.ts";
import { CodedError, EX, toProblem } from "../../core/errors.ts";
import type { Caller } from "../accounts/caller.ts";
import type { Audit } from "../audit/audit.ts";
import type { ControlLinks } from "../hosts/control-link.ts";
import type { HostStore } from "../hosts/store.ts";
import { assertOffers, offersSystem, SYSTEM } from "../images/system.ts";
import type { Operations } from "../operations/operations.ts";
import type { Settings } from "../settings/settings.ts";
import type { ProjectStore } from "./store.ts";

/** From the command to the last answer: image unpacking on a slow disk included. */
const START_TIMEOUT_MS = 180_000;
const POLL_MS = 100;
const GIB = 2 ** 30;

type ProjectChange = Parameters<ProjectStore["change"]>[2];

export type ProjectService = ReturnType<typeof createProjectService>;

/** Without containers, so that every project can read all others. */
const isPlain = (host: Host) => host.report?.runtime.kind === "process";

/** A host that is away has a change with the next start; one that could not take it says why. */
function notTaken(error: unknown): void {
  const problem = toProblem(error);
  if (["host.away", "conat.disconnected", "conat.timeout"].includes(problem.code)) return;
  throw new CodedError(
    {
      ...problem,
      code: "project.change-not-taken",
      title: "It is saved, but its host could not take it up now",
      why: `${problem.title}${problem.why ? `: ${problem.why}` : ""}`,
      fix: problem.fix ?? "It is tried again at the next start.",
      status: 503,
    },
    { cause: error },
  );
}

/** The ready host with most memory left; pure. `plain`: one without containers will do. `image`: what it must offer. */
export function place(hosts: Host[], plain: boolean, image = "base"): Host {
  const ready = hosts.filter(
    (host) =>
      host.state === "ready" &&
      host.desired_state === "ready" &&
      !host.draining &&
      (plain || !isPlain(host)) &&
      (image !== SYSTEM || offersSystem(host)),
  );
  const whyNot = (host: Host) => {
    if (isPlain(host) && !plain) return "without containers";
    return image === SYSTEM && !offersSystem(host) ? "without the image system" : host.state;
  };
  const free = (host: Host) => host.report?.memory.available_bytes ?? 0;
  const best = ready.sort((a, b) => free(b) - free(a))[0];
  if (best) return best;
  throw new CodedError({
    code: "project.no-host",
    title: "No host is ready",
    why:
      hosts.length === 0
        ? "No machine has joined yet."
        : hosts.map((one) => `${one.name}: ${whyNot(one)}`).join(", "),
    fix: "Wait until a host is ready, or add a machine.",
    status: 409,
    exit: EX.TEMPFAIL,
  });
}

export function createProjectService(deps: {
  projects: ProjectStore;
  hosts: HostStore;
  links: ControlLinks;
  operations: Operations;
  settings: Settings;
  audit: Audit;
}) {
  const { projects, links, operations } = deps;

  const policy = async () => ({
    lan: await deps.settings.lan(),
    idle_minutes: await deps.settings.number("idle_stop_minutes"),
  });

  /** What an admin allows an owner to give; the local administrator is not asked. */
  async function assertAllowed(caller: Caller, limits: Partial<Limits>): Promise<void> {
    if (caller.admin) return;
    const memory = (await deps.settings.number("max_memory_mb")) * 2 ** 20;
    const cpus = await deps.settings.number("max_cpus");
    const disk = (await deps.settings.number("max_disk_gb")) * GIB;
    // Asking for no limit is asking for the most.
    const wantsDisk = limits.disk_bytes === undefined ? 0 : (limits.disk_bytes ?? Number.POSITIVE_INFINITY);
    const errors = [
      ...((limits.memory_bytes ?? 0) > memory
        ? [{ path: "limits.memory_bytes", message: `at most ${memory / 2 ** 20} MiB here` }]
        : []),
      ...((limits.cpus ?? 0) > cpus ? [{ path: "limits.cpus", message: `at most ${cpus} here` }] : []),
      ...(disk > 0 && wantsDisk > disk
        ? [{ path: "limits.disk_bytes", message: `at most ${disk / GIB} GiB here` }]
        : []),
    ];
    if (errors.length === 0) return;
    throw new CodedError({
      code: "project.above-maximum",
      title: "That is more than this hub allows a project",
      why: errors.map((one) => one.message).join("; "),
      fix: "Ask an admin, who can raise the maximum or set it for you.",
      errors,
      status: 422,
      exit: EX.DATAERR,
    });
  }

  /** null: none. Never more than an owner could take. */
  async function defaultDisk(): Promise<number | null> {
    const usual = await deps.settings.number("default_disk_gb");
    const most = await deps.settings.number("max_disk_gb");
    const gib = Math.min(...[usual, most].filter((one) => one > 0));
    return Number.isFinite(gib) ? Math.max(64 * 2 ** 20, Math.round(gib * GIB)) : null;
  }

  /** Sends a command until the host took it: idempotent, so a lost answer is asked again. */
  async function command(
    projectId: string,
    verb: HostVerb & `project.${string}`,
    signal: AbortSignal,
  ): Promise<void> {
    const { spec, host_id } = await projects.spec(projectId, await policy());
    const end = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      try {
        const data =
          verb === "project.start" || verb === "project.create" ? { spec } : { project_id: projectId };
        const reply = await links.request(host_id, verb, data as never, { timeout: 60_000 });
        if (verb !== "project.remove") await projects.applyStatus(host_id, projectStatusSchema.parse(reply));
        return;
      } catch (error) {
        const code = error instanceof CodedError ? error.code : "";
        const again = code === "host.away" || code === "conat.disconnected" || code === "conat.timeout";
        if (!again || Date.now() > end || signal.aborted) throw error;
        await Bun.sleep(1_000);
      }
    }
  }

  async function waitFor(projectId: string, states: string[], signal: AbortSignal): Promise<void> {
    const end = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      const row = await projects.row(projectId);
      if (row && states.includes(row.state)) return;
      if (!row || row.state === "failed") {
        throw new CodedError(
          row?.problem
            ? (JSON.parse(row.problem) as { code: string; title: string })
            : { code: "project.failed", title: "The project failed" },
        );
      }
      if (signal.aborted) throw new CodedError({ code: "operation.cancelled", title: "It was cancelled" });
      if (Date.now() > end) {
        throw new CodedError({
          code: "project.timeout",
          title: `The project is still ${row.state} after ${START_TIMEOUT_MS / 1000} s`,
          fix: "See its log, and the host's.",
          command: `cocalc-hub project logs ${projectId}`,
        });
      }
      await Bun.sleep(POLL_MS);
    }
  }

  operations.register("project.start", {
    steps: [
      ["command", "Told the host"],
      ["running", "It runs"],
    ],
    async run({ subject_id, signal, step }) {
      await step("command", { state: "running" });
      await projects.setDesired(subject_id, "running");
      // What an earlier start left must not be taken for this one's end.
      if ((await projects.row(subject_id))?.state !== "running")
        await projects.setState(subject_id, "starting");
      try {
        await command(subject_id, "project.start", signal);
      } catch (error) {
        await projects.setState(subject_id, "failed", toProblem(error));
        throw error;
      }
      await step("command", { state: "done" });
      await step("running", { state: "running" });
      await waitFor(subject_id, ["running"], signal);
      await step("running", { state: "done" });
    },
  });
  operations.register("project.stop", {
    steps: [["stopped", "It is stopped"]],
    supersedes: ["project.start", "project.restart"],
    async run({ subject_id, signal, step }) {
      await step("stopped", { state: "running" });
      await projects.setDesired(subject_id, "stopped");
      await command(subject_id, "project.stop", signal);
      await waitFor(subject_id, ["stopped"], signal);
      await step("stopped", { state: "done" });
    },
  });
  operations.register("project.restart", {
    steps: [
      ["stopped", "It is stopped"],
      ["running", "It runs"],
    ],
    async run({ subject_id, signal, step }) {
      await step("stopped", { state: "running" });
      await command(subject_id, "project.stop", signal);
      await waitFor(subject_id, ["stopped"], signal);
      await step("stopped", { state: "done" });
      await step("running", { state: "running" });
      await projects.setDesired(subject_id, "running");
      await command(subject_id, "project.start", signal);
      await waitFor(subject_id, ["running"], signal);
      await step("running", { state: "done" });
    },
  });
  operations.register("project.delete", {
    steps: [["removed", "Removed from its host"]],
    supersedes: ["project.start", "project.restart", "project.stop"],
    async run({ subject_id, signal, step }) {
      if ((await projects.row(subject_id)) === undefined) return;
      await step("removed", { state: "running" });
      await projects.setDesired(subject_id, "deleted");
      await projects.setState(subject_id, "deleting");
      try {
        await command(subject_id, "project.remove", signal);
      } catch (error) {
        // It is not gone, and must not look as if it soon were: it can be deleted again.
        await projects.setState(subject_id, "failed", toProblem(error));
        throw error;
      }
      await projects.remove(subject_id);
      await step("removed", { state: "done" });
    },
  });

  function assertTaking(host: Host | undefined): void {
    if (!host?.draining) return;
    throw new CodedError({
      code: "host.draining",
      title: `${host.name} is drained: nothing is started there`,
      fix: "Move the project to another host, or ask an admin to let this one take projects again.",
      command: `cocalc-hub host drain ${host.name} --end`,
      status: 409,
      exit: EX.TEMPFAIL,
    });
  }

  /** Also at each start: a host may have lost its containers since. */
  async function assertIsolated(host: Host | undefined): Promise<void> {
    if (!host || !isPlain(host) || (await deps.settings.processRuntime())) return;
    throw new CodedError({
      code: "project.no-isolation",
      title: `${host.name} runs projects as plain processes`,
      why: "Without containers every project there could read the files of all others and of the host.",
      fix: "Use another host, or give this one its helper. If all who use it trust each other, an admin can allow it.",
      command: "cocalc-hub settings set dangerous_process_runtime allowed",
      status: 409,
      exit: EX.CONFIG,
    });
  }

  async function act(
    caller: Caller,
    key: string,
    verb: "start" | "stop" | "restart" | "delete",
  ): Promise<Operation> {
    const project = await projects.get(caller, key, verb === "delete" ? "owner" : "collaborator");
    if ((verb === "start" || verb === "restart") && project.host_id !== null) {
      const host = await deps.hosts.find(project.host_id);
      assertTaking(host);
      await assertIsolated(host);
    }
    await deps.audit.write(caller.name, `project.${verb}`, project.project_id, { name: project.name });
    return await operations.start(caller, `project.${verb}`, {
      kind: "project",
      id: project.project_id,
      name: project.name,
    });
  }

  return {
    act,
    /** Tells its host of it: for a project that came there by other ways than a start. */
    async announce(projectId: string, signal: AbortSignal): Promise<void> {
      await command(projectId, "project.create", signal);
    },
    /** For operations that need it down: returns when it is. */
    async stopAndWait(projectId: string, signal: AbortSignal): Promise<void> {
      await projects.setDesired(projectId, "stopped");
      await command(projectId, "project.stop", signal);
      await waitFor(projectId, ["stopped"], signal);
    },
    /** For operations that had it down: returns when it runs. */
    async startAndWait(projectId: string, signal: AbortSignal): Promise<void> {
      await projects.setDesired(projectId, "running");
      await projects.setState(projectId, "starting");
      try {
        await command(projectId, "project.start", signal);
      } catch (error) {
        await projects.setState(projectId, "failed", toProblem(error));
        throw error;
      }
      await waitFor(projectId, ["running"], signal);
    },
    async create(
      caller: Caller,
      input: {
        name: string;
        description?: string | undefined;
        host_id?: string | undefined;
        image?: string | undefined;
        limits?: Partial<Limits> | undefined;
      },
    ): Promise<Project> {
      const all = await deps.hosts.all();
      const wanted = input.host_id;
      const host =
        wanted === undefined
          ? place(all, await deps.settings.processRuntime(), input.image)
          : all.find((one) => one.host_id === wanted || one.name === wanted);
      if (!host) {
        throw new CodedError({
          code: "host.not-found",
          title: `There is no host ${wanted}`,
          errors: [{ path: "host_id", message: "no such host" }],
          fix: "See the list: cocalc-hub host list",
          status: 422,
          exit: EX.NOINPUT,
        });
      }
      assertTaking(host);
      await assertIsolated(host);
      assertOffers(input.image ?? "base", host);
      await assertAllowed(caller, input.limits ?? {});
      const limits: Limits = {
        memory_bytes: (await deps.settings.number("default_memory_mb")) * 2 ** 20,
        cpus: await deps.settings.number("default_cpus"),
        pids: 1000,
        disk_bytes: await defaultDisk(),
        ...input.limits,
      };
      const id = await projects.create(caller, {
        name: input.name,
        description: input.description ?? "",
        host_id: host.host_id,
        image: input.image ?? "base",
        limits,
      });
      await deps.audit.write(caller.name, "project.create", id, { name: input.name, host: host.name });
      return await projects.get(caller, id);
    },
    /** A host that was away when a project was changed tells an older generation: it gets what it missed. */
    async catchUp(hostId: string, status: ProjectStatus): Promise<void> {
      if (status.generation === undefined) return;
      const row = await projects.row(status.project_id);
      if (row?.host_id !== hostId || row.generation <= status.generation) return;
      if (row.state === "deleting" || row.desired_state === "deleted") return;
      const { spec } = await projects.spec(status.project_id, await policy());
      await links.request(hostId, "project.create", { spec });
    },
    /** Owner; what a running project can take up at once reaches its host at once. */
    async change(caller: Caller, key: string, change: ProjectChange): Promise<Project> {
      const project = await projects.get(caller, key, "owner");
      if (change.limits) await assertAllowed(caller, change.limits);
      await projects.change(caller, project.project_id, change);
      if (project.host_id !== null && links.isConnected(project.host_id)) {
        const { spec } = await projects.spec(project.project_id, await policy());
        await links.request(project.host_id, "project.create", { spec }).catch(notTaken);
      }
      return await projects.get(caller, project.project_id);
    },
    async usage(caller: Caller, key: string): Promise<ProjectUsage> {
      const { host_id, project_id } = await projects.get(caller, key, "collaborator");
      if (host_id === null || !links.isConnected(host_id)) return { usage: null, disk: null };
      return await links.request(host_id, "project.usage", { project_id });
    },
    async logs(caller: Caller, key: string): Promise<string[]> {
      const project = await projects.get(caller, key, "collaborator");
      if (project.host_id === null) return [];
      const reply = await links.request(project.host_id, "project.logs", { project_id: project.project_id });
      return reply.lines;
    },
  };
}
