/** The agent's life: takes what the host gave it from the environment, listens, and ends its terminals with it. */
import {
  AGENT_SOCKET_ENV,
  AGENT_SOCKET_PATH,
  AGENT_TOKEN_ENV,
  PROCESS_LIMIT_ENV,
  PROJECT_ID_ENV,
} from "../contract/agent-protocol.ts";
import { CodedError, EX } from "../core/errors.ts";
import { isUuid } from "../core/ids.ts";
import { surroundings } from "./child-env.ts";
import { listen } from "./server.ts";
import { agentServices } from "./services.ts";
import { boundChildren } from "./spawn.ts";

/** Between the hangup of its terminals and the agent's own end: shells write their history. */
const GRACE_MS = 300;
/** A disk that is slow to write what people typed must not hold up the end of the project. */
const MAX_CLOSE_MS = 3_000;

function take(env: Record<string, string | undefined>, name: string): string {
  const value = env[name];
  if (value !== undefined && value !== "") return value;
  throw new CodedError({
    code: "agent.no-environment",
    title: `${name} is not set`,
    why: "The agent is started by the project host, which sets it.",
    exit: EX.USAGE,
  });
}

/** Runs until SIGTERM or SIGINT. Resolves with the exit status. */
export async function runAgent(env: Record<string, string | undefined> = process.env): Promise<number> {
  boundChildren(Number(env[PROCESS_LIMIT_ENV]));
  const token = take(env, AGENT_TOKEN_ENV);
  const project_id = take(env, PROJECT_ID_ENV);
  if (!isUuid(project_id)) {
    throw new CodedError({
      code: "agent.no-environment",
      title: `${PROJECT_ID_ENV} is no UUID`,
      exit: EX.USAGE,
    });
  }
  const socket = env[AGENT_SOCKET_ENV] ?? AGENT_SOCKET_PATH;
  // Gone from here too: child environments are built from an allowlist, this is for whatever else may look.
  delete env[AGENT_TOKEN_ENV];
  const around = surroundings(env);
  const services = agentServices(around, env);
  const server = await listen({ socket, token, project_id, services });
  return await new Promise((resolve) => {
    const stop = () => {
      server.close();
      const grace = new Promise((done) => setTimeout(done, GRACE_MS));
      // What is not written by then is kept, and written at the next start.
      const end = new Promise((done) => setTimeout(done, MAX_CLOSE_MS));
      void Promise.race([end, Promise.all([grace, services.close()])]).then(() => resolve(0));
    };
    process.once("SIGTERM", stop);
    process.once("SIGINT", stop);
  });
}
