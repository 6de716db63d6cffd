/** The API as queries; what the hub says changed is asked for again. */
import { QueryClient } from "@tanstack/react-query";
import { type ClientState, connect } from "../conat/client.ts";
import { changedSchema } from "../contract/api.ts";
import { createApiClient } from "../contract/client.ts";
import { followPresence } from "./presence.ts";

export const api = createApiClient();

export const queryClient = new QueryClient({
  defaultOptions: { queries: { staleTime: 30_000, retry: 1, refetchOnWindowFocus: true } },
});

export const keys = {
  setup: ["setup"],
  me: ["me"],
  projects: ["projects"],
  hosts: ["hosts"],
  tokens: ["tokens"],
  machines: ["machines"],
  tombstones: ["tombstones"],
  users: ["users"],
  settings: ["settings"],
  doctor: ["doctor"],
  audit: ["audit"],
  images: ["images"],
  apiKeys: ["api-keys"],
  ssh: ["ssh"],
  operations: ["operations"],
  people: ["people"],
  peopleOf: (project: string) => ["people", project],
} as const;

const BY_KIND: Record<string, readonly (readonly string[])[]> = {
  project: [keys.projects, keys.ssh, keys.people],
  host: [keys.hosts, keys.machines, keys.tombstones, keys.projects, keys.ssh],
  token: [keys.tokens],
  user: [keys.users, keys.ssh, keys.me, keys.projects],
  settings: [keys.settings, keys.me],
  doctor: [keys.doctor],
  operation: [keys.operations],
};
/** News come in bursts: one question for each list in this time. */
const GATHER_MS = 120;

export function socketUrl(path: string): string {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
}

let retry = () => {};
/** For a person who does not want to wait for the next attempt. */
export const retryHub = (): void => retry();

/** Keeps the lists live; returns what ends it. */
export function followHub(onState: (state: ClientState) => void): () => void {
  let pending = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const flush = () => {
    timer = undefined;
    const kinds = pending;
    pending = new Set();
    for (const kind of kinds)
      for (const queryKey of BY_KIND[kind] ?? []) void queryClient.invalidateQueries({ queryKey });
  };
  let wasConnected = false;
  const client = connect({
    url: socketUrl("/conat"),
    onState(state) {
      onState(state);
      // What happened while away was not heard.
      if (state.state === "connected" && wasConnected) void queryClient.invalidateQueries();
      if (state.state === "connected") wasConnected = true;
    },
  });
  client.subscribe("changed", (_subject, data) => {
    const parsed = changedSchema.safeParse(data);
    if (!parsed.success) return;
    pending.add(parsed.data.kind);
    timer ??= setTimeout(flush, GATHER_MS);
  });
  followPresence(client);
  const poke = () => client.poke();
  retry = poke;
  addEventListener("online", poke);
  document.addEventListener("visibilitychange", poke);
  return () => {
    clearTimeout(timer);
    removeEventListener("online", poke);
    document.removeEventListener("visibilitychange", poke);
    client.close();
  };
}
