/** Search by name or content; what is found shows as it comes. */
import { ActionIcon, Button, SegmentedControl, TextInput } from "@mantine/core";
import { type ReactNode, useEffect, useState } from "react";
import type { ConatClient } from "../../conat/client.ts";
import { openProject } from "../../contract/project-client.ts";
import { ErrorBlock } from "../components/blocks.tsx";
import { plural, visible } from "../components/format.ts";
import { Icon } from "../components/icons.tsx";

const TYPING_MS = 250;

interface Match {
  path: string;
  folder: boolean;
  line?: number | undefined;
  text?: string | undefined;
}

export function SearchPanel({
  client,
  projectId,
  folder,
  home,
  open,
  reveal,
  close,
}: {
  client: ConatClient;
  projectId: string;
  folder: string;
  /** Absolute: what is found is shown relative to it. */
  home: string;
  open: (path: string) => void;
  reveal: (path: string) => void;
  close: () => void;
}): ReactNode {
  const [query, setQuery] = useState("");
  const [where, setWhere] = useState<"names" | "contents">("names");
  const [matches, setMatches] = useState<Match[]>([]);
  const [said, setSaid] = useState("");
  const [error, setError] = useState<unknown>();
  const [round, setRound] = useState(0);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another round is the same search once more
  useEffect(() => {
    setMatches([]);
    setError(undefined);
    setSaid("");
    if (query.trim() === "") return;
    let live = true;
    let end = () => {};
    const timer = setTimeout(async () => {
      setSaid("Searching");
      try {
        const { stream, onMessage } = await openProject(client, projectId, "files.search", {
          path: folder,
          query,
          in: where,
        });
        end = () => stream.end();
        if (!live) end();
        onMessage((message) => {
          if (!live) return;
          if (message.type === "matches") setMatches((now) => [...now, ...message.matches]);
          else {
            const unread =
              message.unreadable > 0 ? `, ${plural(message.unreadable, "place")} could not be read` : "";
            setSaid(message.truncated ? `There is more than is shown${unread}` : `That is all${unread}`);
          }
        });
        stream.onEnd(() => stream.end());
        stream.onClose((failed) => {
          if (live && failed) setError(failed);
        });
      } catch (failed) {
        if (live) setError(failed);
      }
    }, TYPING_MS);
    return () => {
      live = false;
      clearTimeout(timer);
      end();
    };
  }, [client, projectId, folder, query, where, round]);

  const shorten = (path: string) => (path.startsWith(`${home}/`) ? path.slice(home.length + 1) : path);
  return (
    <section className="search" aria-label="Search in files">
      <div className="search-head">
        <TextInput
          data-autofocus
          autoFocus
          aria-label={where === "names" ? "Part of a name" : "Text in files"}
          placeholder={folder === "." ? "Search the project" : `Search in ${visible(folder)}`}
          value={query}
          onChange={(event) => setQuery(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Escape") close();
            if (event.key === "Enter") setRound((now) => now + 1);
          }}
          style={{ flex: 1 }}
        />
        <ActionIcon aria-label="Close the search" onClick={close}>
          <Icon name="close" />
        </ActionIcon>
      </div>
      <SegmentedControl
        fullWidth
        aria-label="Search in"
        value={where}
        onChange={(value) => setWhere(value as "names" | "contents")}
        data={[
          { value: "names", label: "Names" },
          { value: "contents", label: "Contents" },
        ]}
      />
      {error ? <ErrorBlock error={error} /> : null}
      <div className="dim search-said" role="status">
        {query.trim() === "" ? "" : `${matches.length} found. ${said}`}
      </div>
      <ul className="found">
        {matches.slice(0, 500).map((one) => {
          const path = shorten(one.path);
          return (
            <li key={`${one.path} ${one.line ?? 0}`}>
              <button type="button" onClick={() => (one.folder ? reveal(path) : open(path))}>
                <span className="name">
                  <Icon name={one.folder ? "folder" : "file"} size={12} /> <bdi>{visible(path)}</bdi>
                  {one.line === undefined ? null : <span className="dim">:{one.line}</span>}
                </span>
                {one.text === undefined ? null : <code>{visible(one.text.trim())}</code>}
              </button>
            </li>
          );
        })}
      </ul>
      {matches.length > 500 ? <div className="dim search-said">The first 500 are shown.</div> : null}
      {matches.length > 0 ? (
        <Button size="xs" variant="subtle" onClick={() => setQuery("")}>
          Clear
        </Button>
      ) : null}
    </section>
  );
}
