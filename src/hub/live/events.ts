/** What changed, told inside the hub; the sockets of browsers pass it on to whoever may see it. */
import type { Changed } from "../../contract/api.ts";

export interface Events {
  changed(kind: Changed["kind"], id: string): void;
  onChanged(listener: (event: Changed) => void): () => void;
}

export function createEvents(): Events {
  const listeners = new Set<(event: Changed) => void>();
  return {
    changed(kind, id) {
      for (const listener of listeners) listener({ kind, id });
    },
    onChanged(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
