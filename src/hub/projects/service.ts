/** What can be done with a project: placed, started, stopped, deleted. Long actions are operations. */
import type { Host, Limits, Operation, Project } from "../../contract/api.ts";
import { type HostVerb, projectStatusSchema } from "../../contract/host-control.ts";
import { CodedError, EX, toProblem } from "../../core/errors.ts";
import type { Caller } from "../accounts/caller.ts";
import type { Audit } from "../audit/audit.ts";
import type { ControlLinks } from "../hosts/control-link.ts";
import type { HostStore } from "../hosts/store.ts";
import type { Operations } from "../operations/operations.ts";
import type { Settings } from "../settings/settings.ts";
import type { ProjectStore } from "./store.ts";

/** From the command to the last answer: image unpacking on a slow disk included. */
const START_TIMEOUT_MS = 180_000;
const POLL_MS = 100;

export type ProjectService = ReturnType<typeof createProjectService>;

/** The ready host with most memory left; pure. */
export function place(hosts: Host[]): Host {
  const ready = hosts.filter((host) => host.state === "ready" && host.desired_state === "ready");
  const free = (host: Host) => host.report?.memory.available_bytes ?? 0;
  const best = ready.sort((a, b) => free(b) - free(a))[0];
  if (best) return best;
  throw new CodedError({
    code: "project.no-host",
    title: "No host is ready",
    why:
      hosts.length === 0
        ? "No machine has joined yet."
        : hosts.map((one) => `${one.name}: ${one.state}`).join(", "),
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

  /** Sends a command until the host took it: idempotent, so a lost answer is asked again. */
  async function command(
    projectId: string,
    verb: HostVerb & `project.${string}`,
    signal: AbortSignal,
  ): Promise<void> {
    const { spec, host_id } = await projects.spec(projectId, await deps.settings.lan());
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

  async function act(
    caller: Caller,
    key: string,
    verb: "start" | "stop" | "restart" | "delete",
  ): Promise<Operation> {
    const project = await projects.get(caller, key, verb === "delete" ? "owner" : "collaborator");
    await deps.audit.write(caller.name, `project.${verb}`, project.project_id, { name: project.name });
    return await operations.start(caller, `project.${verb}`, {
      kind: "project",
      id: project.project_id,
      name: project.name,
    });
  }

  return {
    act,
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
        wanted === undefined ? place(all) : all.find((one) => one.host_id === wanted || one.name === wanted);
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
      const limits: Limits = {
        memory_bytes: (await deps.settings.number("default_memory_mb")) * 2 ** 20,
        cpus: await deps.settings.number("default_cpus"),
        pids: 1000,
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
    async logs(caller: Caller, key: string): Promise<string[]> {
      const project = await projects.get(caller, key, "collaborator");
      if (project.host_id === null) return [];
      const reply = await links.request(project.host_id, "project.logs", { project_id: project.project_id });
      return reply.lines;
    },
  };
}
