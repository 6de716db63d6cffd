/**
 * Who edits a file is said by the host, from what the hub vouched for when the socket opened: a page that calls itself
 * somebody else stays who it is.
 */
import type { Router } from "../conat/router.ts";
import { type EditPerson, editPersonSchema } from "../contract/project-services/editing.ts";
import { CodedError } from "../core/errors.ts";
import type { SessionData } from "./viewers.ts";

const MAX_NAME_CHARS = 100;

export function vouchForEditors(router: Router<unknown>): void {
  router.stamp("project.*.files.edit", (params, { data }) => ({
    ...(params as object),
    person: personOf(data as Partial<SessionData> | null),
  }));
}

function personOf(session: Partial<SessionData> | null): EditPerson {
  const { account_id, name = "" } = session ?? {};
  const person = editPersonSchema.safeParse({ account_id, name: name.slice(0, MAX_NAME_CHARS) });
  if (person.success) return person.data;
  throw new CodedError({
    code: "edit.nobody",
    title: "Nobody vouched for who this is",
    fix: "Sign in anew.",
    status: 403,
  });
}
