/** What a person needs when the hub is gone: printed, kept elsewhere. */
import { renderWholeProfile } from "../../contract/rustic-profile.ts";
import { RUSTIC_VERSION } from "../../core/rustic.ts";
import type { HubCore } from "../core.ts";
import { recoveryKey } from "./bundle.ts";
import type { Repositories } from "./repositories.ts";

export async function recoverySheet(core: HubCore, repositories: Repositories): Promise<string> {
  const all = await repositories.all();
  const lines = [
    `RECOVERY SHEET of ${await core.settings.get("hub_name")}`,
    `Made ${new Date().toISOString()}. Keep it on paper or in a password safe, away from the hub.`,
    "Whoever has it and the repository can read every project.",
    "",
    `Backups are made by rustic ${RUSTIC_VERSION} (https://rustic.cli.rs). Any copy of the repository and its password`,
    "are enough to read them, without this software:",
    "",
    "  rustic -r REPOSITORY --password PASSWORD snapshots",
    "  rustic -r REPOSITORY --password PASSWORD restore SNAPSHOT:home DIRECTORY --numeric-id",
    "",
  ];
  lines.push(
    "This hub itself comes back on a new machine from its bundle (Backups page), or from the repository:",
    "",
    "  cocalc-hub recover --from BUNDLE --key-file FILE",
    "  cocalc-hub recover --from REPOSITORY --password-file FILE --key-file FILE",
    "",
    `  recovery key  ${recoveryKey(core.master)}`,
    "",
  );
  if (all.length === 0)
    lines.push("There is no repository yet: print this sheet again after the first backup.");
  for (const one of all) {
    lines.push(
      `Repository ${one.repository_id}`,
      `  where     ${one.location}`,
      `  password  ${one.secret}`,
      "",
    );
    const access = repositories.asRepository(one);
    if (access.kind === "s3")
      lines.push(
        "As a file NAME.toml this opens it: rustic -P NAME snapshots, cocalc-hub recover --from NAME.toml",
        "",
        renderWholeProfile(access),
      );
  }
  return `${lines.join("\n")}\n`;
}
