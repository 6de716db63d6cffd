/** Projects in the database. Every read and change takes the caller: a forgotten check fails closed. */
import { type Selectable, sql, type Updateable } from "kysely";
import {
  DEFAULT_LIMITS,
  type HostReport,
  type Limits,
  type Project,
  type ProjectState,
  type Role,
} from "../../contract/api.ts";
import { type Shares, sharesSchema } from "../../contract/api-people.ts";
import type { ProjectRight } from "../../contract/grants.ts";
import type { ProjectSpec, ProjectStatus } from "../../contract/host-control.ts";
import { CodedError, EX, type ProblemDetails } from "../../core/errors.ts";
import { newId } from "../../core/ids.ts";
import { type Caller, notFound } from "../accounts/caller.ts";
import type { Db } from "../db/open.ts";
import type { ProjectTable } from "../db/schema.ts";
import type { Events } from "../live/events.ts";

export type ProjectStore = ReturnType<typeof createProjectStore>;

/** What a role may do, weakest first. */
const RANK: Record<Role, number> = { viewer: 1, collaborator: 2, owner: 3 };

type Row = Selectable<ProjectTable> & {
  role: string;
  owner_id: string | null;
  owner_name: string | null;
  host_name: string | null;
  host_report: string | null;
};

const isPlain = (report: string) => (JSON.parse(report) as HostReport).runtime.kind === "process";

export function createProjectStore(
  db: Db,
  deps: { events: Events; isHostConnected: (hostId: string) => boolean },
) {
  const now = () => new Date().toISOString();

  function toProject(row: Row): Project {
    const state = row.state as ProjectState;
    const live = ["running", "starting", "stopping", "queued"].includes(state);
    return {
      project_id: row.project_id,
      name: row.name,
      description: row.description,
      host_id: row.host_id,
      host_name: row.host_name,
      isolated: row.host_report === null || !isPlain(row.host_report),
      image: row.image,
      // What ran there may still be running; nobody can tell until it is heard of again.
      state: live && row.host_id !== null && !deps.isHostConnected(row.host_id) ? "away" : state,
      state_since: row.state_since,
      phase: row.phase,
      queue_place: row.queue_place,
      problem: row.problem ? (JSON.parse(row.problem) as ProblemDetails) : null,
      limits: JSON.parse(row.limits) as Limits,
      idle_minutes: row.idle_minutes,
      role: row.role as Role,
      owner: { account_id: row.owner_id ?? "", name: row.owner_name ?? "" },
      created_at: row.created_at,
      last_used_at: row.last_used_at,
    };
  }

  /** The one query by which projects are seen: a member sees its own, the local administrator all. */
  function seenBy(caller: Caller) {
    const base = db
      .selectFrom("projects")
      .leftJoin("hosts", "hosts.host_id", "projects.host_id")
      .leftJoin("members as o", (join) =>
        join.onRef("o.project_id", "=", "projects.project_id").on("o.role", "=", "owner"),
      )
      .leftJoin("user", "user.id", "o.account_id")
      .leftJoin("members as m", (join) =>
        join.onRef("m.project_id", "=", "projects.project_id").on("m.account_id", "=", caller.account_id),
      )
      .selectAll("projects")
      .select([
        "hosts.name as host_name",
        "hosts.report as host_report",
        "o.account_id as owner_id",
        "user.name as owner_name",
      ]);
    // The local administrator owns the machine: it sees and may do everything. An admin account needs membership.
    return caller.via === "local"
      ? base.select(sql<string>`coalesce(m.role, 'owner')`.as("role"))
      : base.select(sql<string>`m.role`.as("role")).where("m.role", "is not", null);
  }

  async function one(caller: Caller, key: string): Promise<Row> {
    const rows = (await seenBy(caller)
      .where((eb) => eb.or([eb("projects.project_id", "=", key), eb("projects.name", "=", key)]))
      .execute()) as Row[];
    const exact = rows.find((row) => row.project_id === key) ?? (rows.length === 1 ? rows[0] : undefined);
    if (exact) return exact;
    if (rows.length > 1) {
      throw new CodedError({
        code: "project.ambiguous",
        title: `Several projects are called ${key}`,
        fix: "Use the id: cocalc-hub project list",
        status: 409,
        exit: EX.DATAERR,
      });
    }
    throw notFound("project", key);
  }

  async function update(projectId: string, change: Updateable<ProjectTable>): Promise<void> {
    await db.updateTable("projects").set(change).where("project_id", "=", projectId).execute();
    deps.events.changed("project", projectId);
  }

  return {
    async list(caller: Caller): Promise<Project[]> {
      const rows = (await seenBy(caller).orderBy("projects.created_at", "desc").execute()) as Row[];
      return rows.map(toProject);
    },
    /** With at least this role; less is 404 for who may not know of it, 403 for who may. */
    async get(caller: Caller, key: string, role: Role = "viewer"): Promise<Project> {
      const row = await one(caller, key);
      if (RANK[row.role as Role] < RANK[role]) {
        throw new CodedError({
          code: "project.role",
          title: `This needs the role ${role} in ${row.name}`,
          why: `Yours is ${row.role}.`,
          fix: `Ask ${row.owner_name ?? "its owner"}.`,
          status: 403,
          exit: EX.NOPERM,
        });
      }
      return toProject(row);
    },
    async create(
      caller: Caller,
      input: {
        /** Of one that exists already on that host's disk. */
        project_id?: string;
        name: string;
        description: string;
        host_id: string;
        image: string;
        limits: Limits;
      },
    ): Promise<string> {
      const project_id = input.project_id ?? newId();
      // The local administrator is no account: its projects belong to the first admin.
      const owner =
        caller.via === "local"
          ? (
              await db
                .selectFrom("user")
                .select("id")
                .where("role", "=", "admin")
                .orderBy("createdAt")
                .executeTakeFirst()
            )?.id
          : caller.account_id;
      if (owner === undefined) {
        throw new CodedError({
          code: "project.no-owner",
          title: "There is no account to own the project yet",
          fix: "Make the admin account first.",
          command: "cocalc-hub setup --email E --password-file F",
          status: 409,
          exit: EX.CONFIG,
        });
      }
      await db.transaction().execute(async (trx) => {
        await trx
          .insertInto("projects")
          .values({
            project_id,
            name: input.name,
            description: input.description,
            host_id: input.host_id,
            image: input.image,
            state: "stopped",
            state_since: now(),
            desired_state: "stopped",
            phase: null,
            queue_place: null,
            problem: null,
            limits: JSON.stringify(input.limits),
            idle_minutes: null,
            generation: 1,
            created_at: now(),
            last_used_at: null,
          })
          .execute();
        await trx.insertInto("members").values({ project_id, account_id: owner, role: "owner" }).execute();
      });
      deps.events.changed("project", project_id);
      return project_id;
    },
    async change(
      caller: Caller,
      projectId: string,
      change: {
        name?: string | undefined;
        description?: string | undefined;
        limits?: Partial<Limits> | undefined;
        idle_minutes?: number | null | undefined;
      },
    ): Promise<void> {
      const row = await one(caller, projectId);
      const limits = { ...DEFAULT_LIMITS, ...(JSON.parse(row.limits) as Limits), ...change.limits };
      await update(row.project_id, {
        name: change.name ?? row.name,
        description: change.description ?? row.description,
        limits: JSON.stringify(limits),
        idle_minutes: change.idle_minutes === undefined ? row.idle_minutes : change.idle_minutes,
        generation: row.generation + 1,
      });
    },
    async setDesired(projectId: string, desired: "running" | "stopped" | "deleted"): Promise<void> {
      await update(projectId, { desired_state: desired, last_used_at: now() });
    },
    /** It belongs to another host from now on, or to none. */
    async moveTo(projectId: string, hostId: string | null, state: ProjectState): Promise<void> {
      await update(projectId, {
        host_id: hostId,
        state,
        state_since: now(),
        desired_state: "stopped",
        problem: null,
      });
    },
    async setState(
      projectId: string,
      state: ProjectState,
      problem: ProblemDetails | null = null,
    ): Promise<void> {
      await update(projectId, {
        state,
        state_since: now(),
        phase: null,
        queue_place: null,
        problem: problem ? JSON.stringify(problem) : null,
      });
    },
    /** What the host tells; only of projects that are on it. */
    async applyStatus(hostId: string, status: ProjectStatus): Promise<void> {
      const row = await db
        .selectFrom("projects")
        .selectAll()
        .where("project_id", "=", status.project_id)
        .where("host_id", "=", hostId)
        .executeTakeFirst();
      if (!row || row.state === "deleting") return;
      const problem = status.problem ? JSON.stringify(status.problem) : null;
      const same =
        row.state === status.state &&
        row.phase === status.phase &&
        row.queue_place === status.queue_place &&
        (status.digest === undefined || row.image_digest === status.digest) &&
        row.problem === problem;
      if (same) return;
      await update(status.project_id, {
        state: status.state,
        state_since: row.state === status.state ? row.state_since : now(),
        phase: status.phase,
        queue_place: status.queue_place,
        ...(status.digest === undefined ? {} : { image_digest: status.digest }),
        problem,
      });
    },
    /** `policy`: what the hub's settings say. */
    async spec(
      projectId: string,
      policy: { lan: "blocked" | "open"; idle_minutes: number },
    ): Promise<{ spec: ProjectSpec; host_id: string }> {
      const row = await db
        .selectFrom("projects")
        .selectAll()
        .where("project_id", "=", projectId)
        .executeTakeFirst();
      if (!row?.host_id) throw notFound("project", projectId);
      const { project_id, name, image, generation } = row;
      return {
        host_id: row.host_id,
        spec: {
          project_id,
          name,
          image,
          limits: JSON.parse(row.limits) as Limits,
          lan: policy.lan,
          idle_minutes: row.idle_minutes ?? policy.idle_minutes,
          generation,
        },
      };
    },
    /** For operations: the row as it is, no caller. */
    async row(projectId: string): Promise<Selectable<ProjectTable> | undefined> {
      return await db
        .selectFrom("projects")
        .selectAll()
        .where("project_id", "=", projectId)
        .executeTakeFirst();
    },
    async remove(projectId: string): Promise<void> {
      await db.deleteFrom("projects").where("project_id", "=", projectId).execute();
      deps.events.changed("project", projectId);
    },
    /** Projects of an account that are on a host, for its socket's grant. */
    async onHost(caller: Caller, hostId: string): Promise<ProjectRight[]> {
      const rows = (await seenBy(caller).where("projects.host_id", "=", hostId).execute()) as Row[];
      return rows.map(({ project_id, role, viewer_shares }) =>
        role === "viewer"
          ? { project_id, role, paths: (JSON.parse(viewer_shares) as Shares).paths }
          : { project_id, role: role as Role },
      );
    },
    /** What viewers see; whoever asks has been judged. */
    async shares(projectId: string): Promise<Shares> {
      const row = await db
        .selectFrom("projects")
        .select("viewer_shares")
        .where("project_id", "=", projectId)
        .executeTakeFirst();
      return sharesSchema.parse(JSON.parse(row?.viewer_shares ?? '{"paths":[],"ports":[]}'));
    },
    async setShares(projectId: string, shares: Shares): Promise<void> {
      await update(projectId, { viewer_shares: JSON.stringify(shares) });
    },
    async countOnHost(hostId: string): Promise<number> {
      const rows = await db
        .selectFrom("projects")
        .select("project_id")
        .where("host_id", "=", hostId)
        .execute();
      return rows.length;
    },
    /** Who may see a project, for live events. */
    async membersOf(projectId: string): Promise<string[]> {
      const rows = await db
        .selectFrom("members")
        .select("account_id")
        .where("project_id", "=", projectId)
        .execute();
      return rows.map((row) => row.account_id);
    },
  };
}
