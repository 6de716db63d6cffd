/** What a new virtual machine does at its first boot: fetches the installer from the hub by its pinned key, and joins. */
import type { JoinTokenContent } from "../../contract/join-token.ts";
import { urlHost } from "../../core/url-host.ts";
import joinScript from "./join-vm.sh" with { type: "text" };

/** User data of cloud-init. JSON is YAML, and needs no rules of quoting. */
export function userData(token: string, content: JoinTokenContent): string {
  const file = (path: string, text: string, permissions: string) => ({
    path,
    permissions,
    owner: "root:root",
    encoding: "b64",
    content: Buffer.from(text).toString("base64"),
  });
  const hubs = content.addresses.map((one) => `https://${urlHost(one)}:${content.https_port}`);
  return `#cloud-config\n${JSON.stringify(
    {
      package_update: true,
      packages: ["curl", "ca-certificates"],
      write_files: [
        file("/root/cocalc-join/token", token, "0600"),
        file("/root/cocalc-join/pin", content.tls_pin, "0600"),
        file("/root/cocalc-join/hubs", `${hubs.join("\n")}\n`, "0600"),
        file("/root/cocalc-join/join.sh", joinScript, "0700"),
      ],
      runcmd: [["sh", "/root/cocalc-join/join.sh"]],
    },
    null,
    1,
  )}\n`;
}
