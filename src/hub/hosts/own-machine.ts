import type { Host } from "../../contract/api.ts";
import { CodedError, EX } from "../../core/errors.ts";

/** Errors: `host.is-the-hub`. Its own machine pairs once, when the hub is made: what ends that ends the hub. */
export function assertNotOwnMachine(host: Host): void {
  if (host.type.kind !== "local") return;
  throw new CodedError({
    code: "host.is-the-hub",
    title: `${host.name} is the hub's own machine`,
    why: "It goes with the hub.",
    fix: "To take no projects there, drain it. To remove everything, uninstall on the machine itself.",
    command: "sudo sh /usr/local/lib/cocalc/current/install.sh --uninstall",
    status: 409,
    exit: EX.USAGE,
  });
}
