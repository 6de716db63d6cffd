/** Who is in which project right now, with a page or over SSH, as the hub tells it. */
import { useSyncExternalStore } from "react";
import { z } from "zod";
import type { ConatClient } from "../conat/client.ts";
import { type Presence, presenceSchema } from "../contract/api-people.ts";

export type Someone = Presence["people"][number];
const NOBODY: Someone[] = [];
const replySchema = z.object({ present: z.array(presenceSchema) });

let rooms: ReadonlyMap<string, Someone[]> = new Map();
let here: string | null = null;
let client: ConatClient | undefined;
const listeners = new Set<() => void>();

function set(next: ReadonlyMap<string, Someone[]>): void {
  rooms = next;
  for (const listener of listeners) listener();
}

async function tell(): Promise<void> {
  const mine = client;
  if (mine === undefined || mine.state.state !== "connected") return;
  try {
    const { present } = replySchema.parse(
      await mine.request("hub.here", { project_id: here }, { idempotent: true }),
    );
    if (client === mine) set(new Map(present.map(({ project_id, people }) => [project_id, people])));
  } catch {
    // The connection broke; the next one tells it again.
  }
}

/** Follows the hub over this connection. */
export function followPresence(connection: ConatClient): void {
  client = connection;
  connection.onState((state) => {
    if (state.state === "connected") void tell();
  });
  connection.subscribe("presence", (_subject, data) => {
    const parsed = presenceSchema.safeParse(data);
    if (parsed.success) set(new Map([...rooms, [parsed.data.project_id, parsed.data.people]]));
  });
}

/** The project that this page shows; null for none. */
export function setHere(projectId: string | null): void {
  here = projectId;
  void tell();
}

export function usePresence(projectId: string): Someone[] {
  return useSyncExternalStore(
    (changed) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
    () => rooms.get(projectId) ?? NOBODY,
  );
}
