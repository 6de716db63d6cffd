/**
 * Who is in a project, and as what:
 *   GET    /projects/:id/people                 Person[]
 *   POST   /projects/:id/people                 {who, role} → Person; `who` is an e-mail address or a name
 *   PATCH  /projects/:id/people/:account        {role}
 *   DELETE /projects/:id/people/:account        removes; one's own id leaves
 *   POST   /projects/:id/owner                  {account_id}: gives the project to another member
 *   GET    /projects/:id/shares                 what viewers see; PUT changes it
 *   GET/POST /projects/:id/invitations          links; POST {role} → {url, …}; DELETE …/:invitation
 *   POST   /project-invitations/look            {token} → what it invites to
 *   POST   /project-invitations/accept          {token} → {project_id}
 */
import { z } from "zod";
import { roleSchema } from "./api.ts";
import { appNameSchema } from "./apps.ts";

/** A person becomes an owner by a transfer alone. */
export const givenRoleSchema = z.enum(["collaborator", "viewer"]);
export type GivenRole = z.infer<typeof givenRoleSchema>;

export const personSchema = z.object({
  account_id: z.string(),
  name: z.string(),
  /** Not told to viewers. */
  email: z.string().nullable(),
  role: roleSchema,
});
export type Person = z.infer<typeof personSchema>;

export const addPersonSchema = z.object({ who: z.string().trim().min(1).max(200), role: givenRoleSchema });

/** What viewers see: folders and files below the project's home, web servers by their port, and managed apps. */
export const sharesSchema = z.object({
  paths: z
    .array(
      z
        .string()
        .min(1)
        .max(1000)
        // Said to the person, and enforced where the paths are resolved.
        .refine((path) => !path.includes("\0") && !path.split("/").includes(".."), "no .. in a path"),
    )
    .max(50),
  ports: z.array(z.number().int().min(1).max(65535)).max(50),
  /** Opening one starts it. */
  apps: z.array(appNameSchema).max(50).default([]),
});
export type Shares = z.infer<typeof sharesSchema>;

export const projectInvitationSchema = z.object({
  invitation_id: z.string(),
  role: givenRoleSchema,
  created_at: z.iso.datetime(),
  expires_at: z.iso.datetime(),
});
export type ProjectInvitation = z.infer<typeof projectInvitationSchema>;
export const projectInvitationCreatedSchema = projectInvitationSchema.extend({
  /** Shown this once. */
  url: z.string(),
});

export const invitedSchema = z.object({
  project_name: z.string(),
  role: givenRoleSchema,
  invited_by: z.string(),
  /** Whoever has no account may make one with the same link. */
  makes_account: z.boolean(),
});
export type Invited = z.infer<typeof invitedSchema>;

/** Published to browsers as `presence`: who is in a project right now, each once. */
export const presenceSchema = z.object({
  project_id: z.string(),
  people: z
    .array(
      z.object({
        /** Of a key that belongs to the project and no account: its fingerprint. */
        account_id: z.string(),
        name: z.string().max(200),
        /** By a page that shows it, over SSH, or both. */
        ways: z.array(z.enum(["browser", "ssh"])).min(1),
      }),
    )
    .max(1000),
});
export type Presence = z.infer<typeof presenceSchema>;
