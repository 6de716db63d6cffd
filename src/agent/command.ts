import { defineCommand } from "citty";

/** `cocalc-project-host agent`: runs inside each project. Its settings come from the environment (see run.ts). */
export default defineCommand({
  meta: { name: "agent", description: "Serve one project from inside its container (started by the host)" },
  async run() {
    // Loaded here, so that the other subcommands of the binary do not pay for it.
    const { runAgent } = await import("./run.ts");
    process.exit(await runAgent());
  },
});
