/** One file out of a backup, as a stream: it may be larger than memory. */
import { CodedError, EX } from "../../core/errors.ts";
import type { OpenRepository, Repositories } from "./repositories.ts";

/** Error `backup.no-path` where it is no file of the backup: told before the first byte. */
export async function dumpFile(
  repositories: Repositories,
  one: OpenRepository,
  snapshot: string,
  path: string,
): Promise<ReadableStream<Uint8Array>> {
  const { stream, failed } = await repositories.rusticStream(one, ["dump", `${snapshot}:home/${path}`]);
  const reader = stream.getReader();
  const first = await reader.read();
  if (first.done) {
    const why = await failed;
    if (why !== undefined) {
      throw new CodedError({
        code: "backup.no-path",
        title: `There is no file ${path} in this backup`,
        why,
        fix: "Look for it in the folder's list.",
        status: 404,
        exit: EX.NOINPUT,
      });
    }
  }
  return new ReadableStream<Uint8Array>({
    start(controller) {
      if (first.value) controller.enqueue(first.value);
      if (first.done) controller.close();
    },
    async pull(controller) {
      const { done, value } = await reader.read();
      if (!done) {
        controller.enqueue(value);
        return;
      }
      // A download that broke off must not look like a whole file.
      const why = await failed;
      if (why === undefined) controller.close();
      else controller.error(new Error(why));
    },
    cancel: () => void reader.cancel(),
  });
}
