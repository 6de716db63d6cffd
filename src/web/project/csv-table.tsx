/** A table of comma or tab separated values: its beginning, however long the file is. */
import { useQuery } from "@tanstack/react-query";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useRef } from "react";
import type { Caller } from "../../conat/caller.ts";
import { openProject } from "../../contract/project-client.ts";
import { ErrorBlock } from "../components/blocks.tsx";
import { bytes } from "../components/format.ts";

const MAX_BYTES = 2 * 1024 * 1024;
const MAX_COLUMNS = 200;
const ROW_PX = 28;

async function beginning(client: Caller, projectId: string, path: string): Promise<string> {
  const { stream } = await openProject(client, projectId, "files.read", { path, length: MAX_BYTES });
  const decoder = new TextDecoder();
  let text = "";
  stream.onData((chunk) => {
    text += decoder.decode(chunk, { stream: true });
  });
  stream.end();
  await new Promise<void>((resolve, reject) =>
    stream.onClose((error) => (error ? reject(error) : resolve())),
  );
  return text;
}

export function CsvTable({
  client,
  projectId,
  path,
  etag,
  size,
}: {
  client: Caller;
  projectId: string;
  path: string;
  etag: string;
  size: number;
}): ReactNode {
  const table = useQuery({
    queryKey: ["preview", projectId, path, etag, "csv"],
    queryFn: async () => {
      const [{ default: Papa }, text] = await Promise.all([
        import("papaparse"),
        beginning(client, projectId, path),
      ]);
      const rows = Papa.parse<string[]>(text, { skipEmptyLines: "greedy" }).data;
      // The last line was cut where the reading stopped.
      if (size > MAX_BYTES) rows.pop();
      return rows;
    },
  });
  const area = useRef<HTMLElement>(null);
  const [head = [], ...rows] = table.data ?? [];
  const columns = Math.min(
    MAX_COLUMNS,
    Math.max(head.length, ...rows.slice(0, 1000).map((row) => row.length)),
  );
  const shown = useVirtualizer({
    count: rows.length,
    getScrollElement: () => area.current,
    estimateSize: () => ROW_PX,
    overscan: 20,
  });
  if (table.error) {
    return (
      <div style={{ padding: 12 }}>
        <ErrorBlock error={table.error} />
      </div>
    );
  }
  if (!table.data) return null;
  const items = shown.getVirtualItems();
  const before = items[0]?.start ?? 0;
  const after = shown.getTotalSize() - (items.at(-1)?.end ?? 0);
  const numbers = Array.from({ length: columns }, (_, at) => at);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by key
    <section ref={area} className="csv" tabIndex={0} aria-label="Table">
      {size > MAX_BYTES ? (
        <p className="dim" style={{ margin: "6px 12px" }}>
          The first {rows.length} rows: {bytes(MAX_BYTES)} of {bytes(size)} are shown.
        </p>
      ) : null}
      <table aria-rowcount={rows.length + 1}>
        <thead>
          <tr>
            <th scope="col" className="num">
              #
            </th>
            {numbers.map((at) => (
              <th key={at} scope="col">
                <bdi>{head[at]}</bdi>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {before > 0 ? <tr style={{ height: before }} /> : null}
          {items.map(({ index }) => (
            <tr key={index} style={{ height: ROW_PX }}>
              <td className="num">{index + 1}</td>
              {numbers.map((at) => (
                <td key={at}>
                  <bdi>{rows[index]?.[at]}</bdi>
                </td>
              ))}
            </tr>
          ))}
          {after > 0 ? <tr style={{ height: after }} /> : null}
        </tbody>
      </table>
    </section>
  );
}
