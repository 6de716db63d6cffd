/** Who is in a project, and as what. */
import type { Hono } from "hono";
import { z } from "zod";
import {
  addPersonSchema,
  givenRoleSchema,
  invitedSchema,
  personSchema,
  projectInvitationCreatedSchema,
  projectInvitationSchema,
  sharesSchema,
} from "../../contract/api-people.ts";
import type { FixedWindow } from "../../core/fixed-window.ts";
import type { People } from "../people/people.ts";
import { type ApiEnv, body, callerOf, doc } from "./kit.ts";

export interface PeopleRouteDeps {
  people: People;
  /** Guesses at links, per address; and how often one may ask who has an account. */
  guesses: FixedWindow;
  publicUrl(): Promise<string>;
}

const role = z.object({ role: givenRoleSchema });
const token = z.object({ token: z.string().min(1).max(200) });
const nothing = z.object({});

export function peopleRoutes(api: Hono<ApiEnv>, deps: PeopleRouteDeps): void {
  const { people } = deps;
  api.get("/projects/:id/people", doc("Who is in it", z.array(personSchema)), async (c) =>
    c.json(await people.list(callerOf(c), c.req.param("id"))),
  );
  api.post(
    "/projects/:id/people",
    doc("Adds somebody who has an account (owner)", personSchema, 201),
    body(addPersonSchema),
    async (c) => {
      const caller = callerOf(c);
      const { who, role: as } = c.req.valid("json");
      if (caller.via !== "local") deps.guesses.take(`people ${caller.account_id}`);
      return c.json(await people.add(caller, c.req.param("id"), who, as), 201);
    },
  );
  api.patch(
    "/projects/:id/people/:account",
    doc("Changes somebody's role (owner)", nothing),
    body(role),
    async (c) => {
      await people.setRole(callerOf(c), c.req.param("id"), c.req.param("account"), c.req.valid("json").role);
      return c.json({});
    },
  );
  api.delete("/projects/:id/people/:account", doc("Removes somebody, or leaves", nothing), async (c) => {
    await people.remove(callerOf(c), c.req.param("id"), c.req.param("account"));
    return c.json({});
  });
  api.post(
    "/projects/:id/owner",
    doc("Gives the project to another member (owner)", nothing),
    body(z.object({ account_id: z.string().min(1).max(100) })),
    async (c) => {
      await people.transfer(callerOf(c), c.req.param("id"), c.req.valid("json").account_id);
      return c.json({});
    },
  );
  api.get("/projects/:id/shares", doc("What its viewers see", sharesSchema), async (c) =>
    c.json(await people.shares(callerOf(c), c.req.param("id"))),
  );
  api.put(
    "/projects/:id/shares",
    doc("Changes what its viewers see (owner)", sharesSchema),
    body(sharesSchema),
    async (c) => c.json(await people.setShares(callerOf(c), c.req.param("id"), c.req.valid("json"))),
  );
  api.get(
    "/projects/:id/invitations",
    doc("Its links that are still good (owner)", z.array(projectInvitationSchema)),
    async (c) => c.json(await people.invitations(callerOf(c), c.req.param("id"))),
  );
  api.post(
    "/projects/:id/invitations",
    doc("Makes a link; it is shown this once (owner)", projectInvitationCreatedSchema, 201),
    body(role),
    async (c) => {
      const { secret, ...made } = await people.invite(
        callerOf(c),
        c.req.param("id"),
        c.req.valid("json").role,
      );
      return c.json({ ...made, url: `${await deps.publicUrl()}/join#token=${secret}` }, 201);
    },
  );
  api.delete(
    "/projects/:id/invitations/:invitation",
    doc("Takes a link back (owner)", nothing),
    async (c) => {
      await people.revokeInvitation(callerOf(c), c.req.param("id"), c.req.param("invitation"));
      return c.json({});
    },
  );
  api.post(
    "/project-invitations/look",
    doc("What a link invites to", invitedSchema),
    body(token),
    async (c) => {
      deps.guesses.take(c.env.address);
      return c.json(await people.look(c.req.valid("json").token));
    },
  );
  api.post(
    "/project-invitations/accept",
    doc("Joins by a link", z.object({ project_id: z.string() })),
    body(token),
    async (c) => {
      const caller = callerOf(c);
      deps.guesses.take(c.env.address);
      return c.json({ project_id: await people.accept(caller, c.req.valid("json").token) });
    },
  );
}
