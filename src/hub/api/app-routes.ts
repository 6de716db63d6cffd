import type { Hono } from "hono";
import { z } from "zod";
import {
  appsPolicySchema,
  createLinkSchema,
  linkCreatedSchema,
  linkSchema,
  sharedChoiceSchema,
} from "../../contract/api-apps.ts";
import { urlHost } from "../../core/url-host.ts";
import type { HubCore, HubFeature } from "../core.ts";
import { type ApiEnv, body, callerOf, doc } from "./kit.ts";

/** Links to apps, and who lets a project's pages share an address. */
export function appRoutes(core: HubCore): HubFeature {
  const { apps, ports, projects, settings } = core;
  const policy = async (account_id: string, project_id: string) => ({
    links: (await settings.get("app_links")) === "on",
    shared: await apps.shared.accepted(account_id, project_id),
  });
  return {
    routes(api: Hono<ApiEnv>) {
      api.get("/projects/:id/apps-policy", doc("What holds for its pages", appsPolicySchema), async (c) => {
        const caller = callerOf(c);
        const { project_id } = await projects.get(caller, c.req.param("id"), "collaborator");
        return c.json(await policy(caller.account_id, project_id));
      });
      api.put(
        "/projects/:id/shared-origin",
        doc("Lets its pages share an address with other projects', or no longer", appsPolicySchema),
        body(sharedChoiceSchema),
        async (c) => {
          const caller = callerOf(c);
          await apps.shared.choose(caller, c.req.param("id"), c.req.valid("json").accept);
          const { project_id } = await projects.get(caller, c.req.param("id"));
          return c.json(await policy(caller.account_id, project_id));
        },
      );
      api.get(
        "/projects/:id/links",
        doc("Links by which anyone may use an app of it", z.array(linkSchema)),
        async (c) => c.json(await apps.links.list(callerOf(c), c.req.param("id"))),
      );
      api.post(
        "/projects/:id/links",
        doc("Makes a link; its secret is told this once", linkCreatedSchema, 201),
        body(createLinkSchema),
        async (c) => {
          const { link, token } = await apps.links.create(
            callerOf(c),
            c.req.param("id"),
            c.req.valid("json"),
          );
          const name = core.identity.addresses()[0] ?? "localhost";
          return c.json(
            {
              ...link,
              url: `https://${urlHost(name)}:${ports.apps}/link/${token}`,
              loopback_url: `http://localhost:${ports.loopbackApps}/link/${token}`,
            },
            201,
          );
        },
      );
      api.delete("/projects/:id/links/:link", doc("Takes a link back", z.object({})), async (c) => {
        await apps.links.revoke(callerOf(c), c.req.param("id"), c.req.param("link"));
        return c.json({});
      });
    },
  };
}
