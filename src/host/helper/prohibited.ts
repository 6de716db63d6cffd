/** Which addresses a project may not reach. */

/** Private, shared and link-local ranges (metadata services live in the last), "this host", multicast. */
const PRIVATE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"];
const ALWAYS = ["0.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "240.0.0.0/4"];

interface Interface {
  addr_info?: { family?: string; local?: string; prefixlen?: number }[];
}

function network(address: string, bits: number): string {
  const value = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - bits);
  const base = Math.floor(value / size) * size;
  return `${[24, 16, 8, 0].map((shift) => Math.floor(base / 2 ** shift) % 256).join(".")}/${bits}`;
}

/**
 * From `ip -j addr`: the machine's own addresses always, as the hub listens on them; the networks it is on unless the
 * LAN is open (they need not be private ones).
 * @example prohibited([{ addr_info: [{ family: "inet", local: "192.0.2.2", prefixlen: 24 }] }], "blocked")
 */
export function prohibited(interfaces: unknown, lan: "blocked" | "open"): string[] {
  const nets = new Set(lan === "blocked" ? [...ALWAYS, ...PRIVATE] : ALWAYS);
  for (const entry of Array.isArray(interfaces) ? (interfaces as Interface[]) : []) {
    for (const { family, local, prefixlen } of entry.addr_info ?? []) {
      if (family !== "inet" || local === undefined || local.startsWith("127.")) continue;
      nets.add(`${local}/32`);
      if (lan === "blocked" && prefixlen !== undefined && prefixlen >= 8 && prefixlen < 32)
        nets.add(network(local, prefixlen));
    }
  }
  return [...nets].sort();
}
