/** Built-in apps and the project's own, which are in a file of the project: what does not parse is told, not guessed. */
import { chmodSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  APPS_FILE,
  type AppDefinition,
  appsFileSchema,
  BUILT_IN_APPS,
  MAX_APPS,
} from "../../contract/apps.ts";
import { CodedError, EX, errnoOf, messageOf, type ProblemDetails } from "../../core/errors.ts";
import { writeFileAtomic } from "../../core/state-file.ts";

const MAX_FILE_BYTES = 1024 * 1024;

export interface Definitions {
  /** By name; the project's own hide built-in ones. */
  all(): {
    apps: Map<string, { definition: AppDefinition; source: "built-in" | "own" }>;
    problem: ProblemDetails | null;
  };
  find(name: string): AppDefinition;
  define(name: string, definition: AppDefinition | null): void;
}

export function createDefinitions(home: string): Definitions {
  const file = join(home, APPS_FILE);

  function own(): Record<string, AppDefinition> {
    try {
      if (statSync(file).size > MAX_FILE_BYTES) throw new Error("it is larger than 1 MiB");
      return appsFileSchema.parse(JSON.parse(readFileSync(file, "utf8"))).apps;
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return {};
      throw new CodedError(
        {
          code: "apps.file-unreadable",
          title: `The project's apps in ~/${APPS_FILE} cannot be read`,
          why: messageOf(error),
          fix: "Mend the file, or delete it to begin anew.",
          status: 422,
          exit: EX.DATAERR,
        },
        { cause: error },
      );
    }
  }

  function all(): ReturnType<Definitions["all"]> {
    const apps: ReturnType<Definitions["all"]>["apps"] = new Map();
    for (const [name, definition] of Object.entries(BUILT_IN_APPS))
      apps.set(name, { definition, source: "built-in" });
    try {
      for (const [name, definition] of Object.entries(own()).slice(0, MAX_APPS))
        apps.set(name, { definition, source: "own" });
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      return { apps, problem: error.details };
    }
    return { apps, problem: null };
  }

  return {
    all,
    find(name) {
      const { apps, problem } = all();
      const found = apps.get(name);
      if (found) return found.definition;
      if (problem) throw new CodedError(problem);
      throw new CodedError({
        code: "app.unknown",
        title: `There is no app called ${name} in this project`,
        why: `There are: ${[...apps.keys()].join(", ")}.`,
        fix: "Add it on the project's Apps page.",
        status: 404,
        exit: EX.NOINPUT,
      });
    },
    define(name, definition) {
      const apps = own();
      if (definition === null) delete apps[name];
      else apps[name] = definition;
      if (Object.keys(apps).length > MAX_APPS) {
        throw new CodedError({
          code: "apps.too-many",
          title: `A project keeps at most ${MAX_APPS} apps of its own`,
          fix: "Take one away first.",
          status: 409,
        });
      }
      mkdirSync(dirname(file), { recursive: true });
      writeFileAtomic(file, `${JSON.stringify({ apps }, null, 2)}\n`);
      chmodSync(file, 0o644);
    },
  };
}
