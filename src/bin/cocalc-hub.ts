/** The hub's door. */
import { runCli } from "../core/cli.ts";
import { versionInfo } from "../core/version.ts";
import { root } from "./cocalc-hub-commands.ts";

process.exit(await runCli(root, process.argv.slice(2), versionInfo()));
