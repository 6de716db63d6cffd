/** The pane of one terminal: xterm on top of terminal-session.ts. */
import { ActionIcon, Button, TextInput, useComputedColorScheme } from "@mantine/core";
import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { Terminal } from "@xterm/xterm";
import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from "react";
import type { ConatClient } from "../../conat/client.ts";
import { ErrorBlock } from "../components/blocks.tsx";
import { Icon } from "../components/icons.tsx";
import { KeyRow } from "./key-row.tsx";
import { type SessionNews, TerminalSession } from "./terminal-session.ts";
import { TERMINAL_THEMES } from "./terminal-theme.ts";

const FONT = '"JetBrains Mono Variable"';
/** A font that does not come must not keep the terminal away. */
const FONT_WAIT_MS = 1_500;

interface Props {
  client: ConatClient;
  projectId: string;
  terminalId: string;
  title: string;
  active: boolean;
  onNewTerminal: () => void;
}

interface Parts {
  term: Terminal;
  search: SearchAddon;
  session: TerminalSession;
}

/** Drawn by the GPU where there is one; the page's own drawing otherwise. Browsers allow 16 at a time. */
function drawByGpu(term: Terminal): () => void {
  let live = true;
  let end = () => {};
  import("@xterm/addon-webgl")
    .then(({ WebglAddon }) => {
      if (!live) return;
      const webgl = new WebglAddon();
      webgl.onContextLoss(() => webgl.dispose());
      term.loadAddon(webgl);
      end = () => webgl.dispose();
    })
    .catch(() => {
      // No GPU, or none left: xterm draws into the page, as it did so far.
    });
  return () => {
    live = false;
    end();
  };
}

function copySelection(term: Terminal): void {
  const text = term.getSelection();
  // Without the clipboard API (plain HTTP) the browser's own copy still works by its menu.
  void navigator.clipboard?.writeText(text).catch(() => {});
}

export default function TerminalPane(props: Props): ReactNode {
  const { client, projectId, terminalId, title, active, onNewTerminal } = props;
  const element = useRef<HTMLDivElement>(null);
  const [parts, setParts] = useState<Parts>();
  const [news, setNews] = useState<SessionNews>();
  const [searching, setSearching] = useState(false);
  const scheme = useComputedColorScheme("light", { getInitialValueInEffect: false });
  const schemeNow = useRef(scheme);
  const newTerminal = useRef(onNewTerminal);
  newTerminal.current = onNewTerminal;

  useEffect(() => {
    const parent = element.current;
    if (!parent) return;
    let end = () => {};
    let live = true;
    const start = () => {
      if (!live) return;
      const term = new Terminal({
        fontFamily: `${FONT}, ui-monospace, monospace`,
        fontSize: 13,
        lineHeight: 1.2,
        scrollback: 10_000,
        minimumContrastRatio: 4.5,
        cursorBlink: true,
        theme: TERMINAL_THEMES[schemeNow.current],
        linkHandler: { activate: (_event, uri) => openLink(uri) },
      });
      const fitter = new FitAddon();
      const search = new SearchAddon();
      term.loadAddon(fitter);
      term.loadAddon(search);
      term.loadAddon(new WebLinksAddon((_event, uri) => openLink(uri)));
      term.open(parent);
      fitter.fit();
      const session = new TerminalSession({
        client,
        projectId,
        terminalId,
        screen: term,
        size: { rows: term.rows, cols: term.cols },
        onNews: setNews,
      });
      term.onData((data) => session.type(data));
      term.attachCustomKeyEventHandler((event) => {
        if (event.type !== "keydown" || !(event.ctrlKey || event.metaKey)) return true;
        const key = event.key.toLowerCase();
        const copy = key === "c" && term.hasSelection();
        if (copy) copySelection(term);
        else if (event.shiftKey && key === "f") setSearching(true);
        else if (event.shiftKey && event.code === "Backquote") newTerminal.current();
        else if (event.shiftKey && event.key === "F6") term.blur();
        else return true;
        event.preventDefault();
        // The next Ctrl C is the program's again.
        if (copy) term.clearSelection();
        return false;
      });
      const observer = new ResizeObserver(() => {
        const fits = fitter.proposeDimensions();
        if (fits && fits.rows > 1 && fits.cols > 1) session.want(fits);
      });
      observer.observe(parent);
      setParts({ term, search, session });
      end = () => {
        observer.disconnect();
        session.close();
        term.dispose();
        setParts(undefined);
      };
    };
    // With another font the cells would have another size.
    void Promise.race([
      document.fonts.load(`13px ${FONT}`).catch(() => []),
      new Promise((resolve) => setTimeout(resolve, FONT_WAIT_MS)),
    ]).then(start);
    return () => {
      live = false;
      end();
    };
  }, [client, projectId, terminalId]);

  useEffect(() => {
    schemeNow.current = scheme;
    if (parts) parts.term.options.theme = TERMINAL_THEMES[scheme];
  }, [scheme, parts]);
  useEffect(() => {
    if (!active || !parts) return;
    parts.term.focus();
    return drawByGpu(parts.term);
  }, [active, parts]);

  return (
    <div className="term-pane fill">
      {news?.gone ? (
        <div style={{ padding: 12 }}>
          <ErrorBlock error={news.gone} />
          <Button size="xs" onClick={onNewTerminal}>
            New terminal
          </Button>
        </div>
      ) : null}
      {news?.smallerElsewhere ? (
        <div className="term-note">Shown smaller: it is open in a smaller window too.</div>
      ) : null}
      {searching && parts ? (
        <SearchBar
          search={parts.search}
          close={() => {
            setSearching(false);
            parts.term.focus();
          }}
        />
      ) : null}
      {/* biome-ignore lint/a11y/useSemanticElements: xterm fills this element with its own */}
      <div ref={element} className="term" role="group" aria-label={`Terminal ${title}`} />
      {active && parts ? <KeyRow type={(keys) => parts.session.type(keys)} /> : null}
    </div>
  );
}

function openLink(uri: string): void {
  window.open(uri, "_blank", "noopener,noreferrer");
}

function SearchBar({ search, close }: { search: SearchAddon; close: () => void }): ReactNode {
  const [text, setText] = useState("");
  const [found, setFound] = useState(true);
  const onKey = (event: KeyboardEvent) => {
    if (event.key === "Escape") close();
    else if (event.key === "Enter")
      setFound(event.shiftKey ? search.findPrevious(text) : search.findNext(text));
    else return;
    event.preventDefault();
  };
  return (
    <search className="term-search">
      <TextInput
        size="xs"
        data-autofocus
        autoFocus
        aria-label="Search in this terminal"
        placeholder="Search, Enter for the next"
        value={text}
        onChange={(event) => {
          const { value } = event.currentTarget;
          setText(value);
          setFound(value === "" || search.findPrevious(value, { incremental: true }));
        }}
        onKeyDown={onKey}
      />
      <span role="status">{found ? "" : "not found"}</span>
      <ActionIcon size="sm" aria-label="Close the search" onClick={close}>
        <Icon name="close" size={12} />
      </ActionIcon>
    </search>
  );
}
