/** The project host's door. */
import { runCli } from "../core/cli.ts";
import { versionInfo } from "../core/version.ts";
import { root } from "./cocalc-project-host-commands.ts";

process.exit(await runCli(root, process.argv.slice(2), versionInfo()));
