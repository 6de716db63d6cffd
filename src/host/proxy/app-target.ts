/** What an app sees of a request, and what of its answer is put right for where it is shown. Pure. */
import type { Agent } from "node:http";
import type { AppBase } from "../../contract/apps.ts";
import type { RawHeader } from "../../core/relay/headers.ts";
import type { RelayTarget } from "../../core/relay/relay.ts";

/** Where an app is and how it is shown: `keep` sees the whole path, `strip` and `root` their own. */
export interface Shown {
  prefix: string;
  rest: string;
  port: number;
  base: AppBase;
}

export function appTarget(shown: Shown, agent: Agent): RelayTarget {
  const strips = shown.base === "strip";
  return {
    agent,
    host: "127.0.0.1",
    port: shown.port,
    path: shown.base === "keep" ? shown.prefix + shown.rest : shown.rest || "/",
    headersOut(headers) {
      const kept = headers.filter(([name]) => !/^cocalc-/i.test(name));
      if (strips) kept.push(["X-Forwarded-Prefix", shown.prefix]);
      return kept;
    },
    headersBack(headers) {
      const kept = headers.filter(([name]) => !/^cocalc-/i.test(name));
      return strips ? kept.map((header) => underPrefix(header, shown)) : kept;
    },
  };
}

/** An app that knows nothing of the prefix sends `/login`: that is `/<project_id>/proxy/8000/login` to the browser. */
export function underPrefix([name, value]: RawHeader, shown: Pick<Shown, "prefix" | "port">): RawHeader {
  const key = name.toLowerCase();
  if (key === "location" || key === "content-location") {
    if (value.startsWith("//")) return [name, value];
    if (value.startsWith("/"))
      return [name, value.startsWith(`${shown.prefix}/`) ? value : shown.prefix + value];
    const own = new RegExp(`^https?://(localhost|127\\.0\\.0\\.1|\\[::1\\]):${shown.port}(?=/|$)`);
    return [name, own.test(value) ? shown.prefix + (value.replace(own, "") || "/") : value];
  }
  if (key === "set-cookie") {
    return [
      name,
      value.replace(
        /(;\s*path=)(\/[^;]*)/i,
        (_all, before: string, at: string) => before + (at.startsWith(shown.prefix) ? at : shown.prefix + at),
      ),
    ];
  }
  return [name, value];
}
