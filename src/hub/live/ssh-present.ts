/** Who is logged in over SSH, as hosts tell it; what a host told ends with its link. */
import type { SshPresent } from "../../contract/host-verbs/ssh.ts";
import type { HubCore } from "../core.ts";

export interface SshPerson {
  /** Of a key that belongs to a project: the key's own. */
  account_id: string;
  name: string;
  /** Of an account: it counts as long as that may be in the project. */
  member: boolean;
}

export interface SshPresence {
  of(projectId: string): SshPerson[];
  /** In which somebody is. */
  projects(): string[];
  /** Told of each project in which somebody came or left. */
  onChanged(listener: (projectId: string) => void): void;
}

type Rooms = Map<string, SshPerson[]>;
type Login = SshPresent["logins"][number];

export function createSshPresence({
  db,
  links,
  accounts,
  projects,
}: Pick<HubCore, "db" | "links" | "accounts" | "projects">): SshPresence {
  const told = new Map<string, Rooms>();
  const listeners: ((projectId: string) => void)[] = [];

  function set(hostId: string, rooms: Rooms): void {
    const before = told.get(hostId) ?? new Map();
    told.set(hostId, rooms);
    for (const id of new Set([...before.keys(), ...rooms.keys()])) {
      if (Bun.deepEquals(before.get(id), rooms.get(id))) continue;
      for (const listener of listeners) listener(id);
    }
  }

  async function person({ project_id, account_id, by, fingerprint }: Login): Promise<SshPerson | undefined> {
    if (account_id !== null) {
      const name = (await accounts.byId(account_id))?.name;
      return name === undefined ? undefined : { account_id, name, member: true };
    }
    const key =
      by === "project"
        ? await db
            .selectFrom("ssh_keys")
            .select("name")
            .where("project_id", "=", project_id)
            .where("fingerprint", "=", fingerprint)
            .executeTakeFirst()
        : undefined;
    const name = key === undefined ? "A key in ~/.ssh/authorized_keys" : `The project's key ${key.name}`;
    return { account_id: fingerprint, name, member: false };
  }

  async function take(hostId: string, logins: Login[]): Promise<void> {
    const rooms: Rooms = new Map();
    for (const login of logins) {
      // A host speaks for the projects that are on it, and for no others.
      if ((await projects.row(login.project_id))?.host_id !== hostId) continue;
      const one = await person(login);
      if (one) rooms.set(login.project_id, [...(rooms.get(login.project_id) ?? []), one]);
    }
    if (links.isConnected(hostId)) set(hostId, rooms);
  }

  links.on("ssh-present", async (hostId, { logins }) => await take(hostId, logins));
  links.onDisconnected((hostId) => {
    set(hostId, new Map());
    told.delete(hostId);
  });

  return {
    of: (projectId) => [...told.values()].flatMap((rooms) => rooms.get(projectId) ?? []),
    projects: () => [...new Set([...told.values()].flatMap((rooms) => [...rooms.keys()]))],
    onChanged: (listener) => void listeners.push(listener),
  };
}
