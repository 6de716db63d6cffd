/** What a command to a host is, in words; the same in the UI and on the command line. */
import type { HostCommand } from "./api-commands.ts";

const VM_WORDS: Partial<Record<HostCommand["kind"], string>> = {
  "vm-create": "make the virtual machine",
  "vm-start": "start the virtual machine",
  "vm-stop": "stop the virtual machine",
  "vm-resize": "resize the virtual machine",
  "vm-delete": "delete the virtual machine",
};

/** @example commandWords({ kind: "vm-start", vm: { name: "lab", size: {} }, version: null }) === "start the virtual machine lab" */
export function commandWords({ kind, vm, version }: Pick<HostCommand, "kind" | "vm" | "version">): string {
  if (kind === "upgrade") return `upgrade to ${version ?? "the latest release"}`;
  if (kind === "rollback") return "rollback to the version before";
  return `${VM_WORDS[kind]} ${vm?.name ?? ""}`.trim();
}
