/** Who asks. Every function of the data layer takes one, so that a forgotten check fails closed. */
import { CodedError } from "../../core/errors.ts";

export interface Caller {
  account_id: string;
  name: string;
  email: string;
  admin: boolean;
  /** How it proved itself; `local`: whoever can open the hub's unix socket. */
  via: "cookie" | "key" | "local";
}

/** The administrator of the machine itself. */
export const LOCAL_ADMIN: Caller = {
  account_id: "local",
  name: "local administrator",
  email: "",
  admin: true,
  via: "local",
};

export function assertAdmin(caller: Caller): void {
  if (caller.admin) return;
  throw new CodedError({
    code: "auth.admin-only",
    title: "Only an admin may do this",
    fix: "Ask an admin of this hub.",
    status: 403,
    exit: 77,
  });
}

/** For what does not exist and for what the caller may not know of: the same words. */
export function notFound(kind: string, id: string): CodedError {
  return new CodedError({
    code: `${kind}.not-found`,
    title: `There is no ${kind} ${id.slice(0, 100)}`,
    fix: `See the list: cocalc-hub ${kind} list`,
    status: 404,
    exit: 66,
  });
}
