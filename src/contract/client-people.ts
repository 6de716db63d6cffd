/** Who is in a project, as functions: see api-people.ts. */
import { z } from "zod";
import {
  type GivenRole,
  invitedSchema,
  personSchema,
  projectInvitationCreatedSchema,
  projectInvitationSchema,
  sharesSchema,
} from "./api-people.ts";
import type { ApiCall } from "./client.ts";

const nothing = z.object({}).loose();
const id = encodeURIComponent;

export function peopleClient(call: ApiCall) {
  const of = (project: string) => `/projects/${id(project)}`;
  return {
    list: (project: string) => call("GET", `${of(project)}/people`, z.array(personSchema)),
    add: (project: string, who: string, role: GivenRole) =>
      call("POST", `${of(project)}/people`, personSchema, { who, role }),
    setRole: (project: string, account: string, role: GivenRole) =>
      call("PATCH", `${of(project)}/people/${id(account)}`, nothing, { role }),
    remove: (project: string, account: string) =>
      call("DELETE", `${of(project)}/people/${id(account)}`, nothing),
    transfer: (project: string, account_id: string) =>
      call("POST", `${of(project)}/owner`, nothing, { account_id }),
    shares: (project: string) => call("GET", `${of(project)}/shares`, sharesSchema),
    setShares: (project: string, shares: z.input<typeof sharesSchema>) =>
      call("PUT", `${of(project)}/shares`, sharesSchema, shares),
    invitations: (project: string) =>
      call("GET", `${of(project)}/invitations`, z.array(projectInvitationSchema)),
    invite: (project: string, role: GivenRole) =>
      call("POST", `${of(project)}/invitations`, projectInvitationCreatedSchema, { role }),
    revoke: (project: string, invitation: string) =>
      call("DELETE", `${of(project)}/invitations/${id(invitation)}`, nothing),
    look: (token: string) => call("POST", "/project-invitations/look", invitedSchema, { token }),
    accept: (token: string) =>
      call("POST", "/project-invitations/accept", z.object({ project_id: z.string() }), { token }),
  };
}
