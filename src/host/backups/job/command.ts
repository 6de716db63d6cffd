/** `cocalc-project-host backup-job`: started by the helper in a jail, with its orders on standard input. */
import { command } from "../../../core/cli.ts";
import { toProblem } from "../../../core/errors.ts";
import { jobInputSchema } from "./input.ts";
import { runJob } from "./job.ts";

const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);

export default command({
  meta: { name: "backup-job", description: "One backup or restore, in the helper's jail (not for people)" },
  async run() {
    try {
      const input = jobInputSchema.parse(JSON.parse(await Bun.stdin.text()));
      say({ result: await runJob(input, (progress) => say({ progress })) });
    } catch (error) {
      say({ problem: toProblem(error) });
      process.exitCode = 1;
    }
  },
});
