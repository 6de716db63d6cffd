/** Links to a project's apps, and the choice to let project pages share one address. */
import { z } from "zod";
import { parseAppPath } from "./app-path.ts";
import type { ApiCall } from "./client.ts";

export const MAX_LINKS = 100;
export const MAX_LINK_HOURS = 24 * 30;

/** Below the project's own path. */
const linkPathSchema = z
  .string()
  .regex(
    /^\/(proxy|port)\/[1-9][0-9]{0,4}$|^\/apps\/[a-z][a-z0-9-]{0,31}$/,
    "/proxy/<port>, /port/<port> or /apps/<app>",
  )
  .refine((path) => parseAppPath(`/${crypto.randomUUID()}${path}`) !== undefined, "no such port or app");

export const createLinkSchema = z.object({
  path: linkPathSchema,
  hours: z.number().int().min(1).max(MAX_LINK_HOURS).default(24),
});

export const linkSchema = z.object({
  link_id: z.string(),
  project_id: z.string(),
  path: z.string(),
  created_by: z.object({ account_id: z.string(), name: z.string() }),
  created_at: z.iso.datetime(),
  expires_at: z.iso.datetime(),
  last_used_at: z.iso.datetime().nullable(),
  /** Browsers that came by it. */
  visits: z.number().int(),
});
export type AppLink = z.infer<typeof linkSchema>;

/** The secret is in the addresses, which are told this once. */
export const linkCreatedSchema = linkSchema.extend({
  url: z.string(),
  /** For a browser on the hub's own machine. */
  loopback_url: z.string(),
});

export const appsPolicySchema = z.object({
  /** Whether anyone-with-the-link may be used on this hub. */
  links: z.boolean(),
  /** Whether this person lets the project's pages share an address with other projects'. */
  shared: z.boolean(),
});

export const sharedChoiceSchema = z.object({ accept: z.boolean() });
const okSchema = z.object({}).loose();

export function appsClient(call: ApiCall) {
  const of = (project: string) => `/projects/${encodeURIComponent(project)}`;
  return {
    policy: (project: string) => call("GET", `${of(project)}/apps-policy`, appsPolicySchema),
    share: (project: string, accept: boolean) =>
      call("PUT", `${of(project)}/shared-origin`, appsPolicySchema, { accept }),
    links: (project: string) => call("GET", `${of(project)}/links`, z.array(linkSchema)),
    createLink: (project: string, body: z.input<typeof createLinkSchema>) =>
      call("POST", `${of(project)}/links`, linkCreatedSchema, body),
    revokeLink: (project: string, link: string) =>
      call("DELETE", `${of(project)}/links/${encodeURIComponent(link)}`, okSchema),
  };
}
