/** A terminal of the project: output replayed after a reload, typed keys sent as they are, back-pressure from what was drawn. */
import { useComputedColorScheme } from "@mantine/core";
import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { Terminal } from "@xterm/xterm";
import { type ReactNode, useEffect, useRef } from "react";
import type { ConatClient } from "../../conat/client.ts";
import { callProject, openProject, type ProjectStream } from "../../contract/project-client.ts";
import { messageOf } from "../../core/errors.ts";

const THEMES = {
  light: {
    background: "#ffffff",
    foreground: "#1b1e24",
    cursor: "#295fe6",
    selectionBackground: "#c7dafe",
    black: "#1b1e24",
    red: "#b01e22",
    green: "#0f6e3f",
    yellow: "#975716",
    blue: "#1d4eca",
    magenta: "#8a2c96",
    cyan: "#0b6a78",
    white: "#666b73",
  },
  dark: {
    background: "#0d0e12",
    foreground: "#e4e6ea",
    cursor: "#a2c1fe",
    selectionBackground: "#24427f",
    black: "#24272c",
    red: "#f77575",
    green: "#54c885",
    yellow: "#f5b430",
    blue: "#78a3fe",
    magenta: "#d08ae0",
    cyan: "#5cc8d8",
    white: "#e4e6ea",
  },
};
const RETRY_MS = 500;

interface Props {
  client: ConatClient;
  projectId: string;
  terminalId: string;
  title: string;
  active: boolean;
}

/** Keeps one viewer attached over reconnects; `seen` is the offset of the next byte. */
function follow(
  term: Terminal,
  { client, projectId, terminalId }: Pick<Props, "client" | "projectId" | "terminalId">,
) {
  let seen: number | undefined;
  let current: ProjectStream<"terminal.attach"> | undefined;
  let ended = false;
  const encoder = new TextEncoder();

  async function attach(): Promise<void> {
    const opened = await openProject(client, projectId, "terminal.attach", {
      terminal_id: terminalId,
      rows: term.rows,
      cols: term.cols,
      ...(seen === undefined ? {} : { since: seen }),
    });
    current = opened;
    opened.onMessage((message) => {
      if (message.type === "snapshot" || message.type === "skipped") {
        if (message.type === "skipped" || message.reset) term.reset();
        seen = message.from;
      }
      if (message.type === "exit")
        term.write(
          `\r\n\x1b[2m[ended${message.exit.code === null ? "" : ` with ${message.exit.code}`}; press Enter to start it again]\x1b[0m\r\n`,
        );
      if (message.type === "exit") exited = true;
      if (message.type === "restarted") exited = false;
    });
    // The next bytes are asked for when these are drawn: a flood cannot freeze the page.
    opened.stream.onData((bytes) => {
      seen = (seen ?? 0) + bytes.length;
      return new Promise<void>((drawn) => term.write(bytes, drawn));
    });
    opened.stream.onEnd(() => opened.stream.end());
    await new Promise<void>((resolve) => opened.stream.onClose(() => resolve()));
    current = undefined;
  }
  let exited = false;
  const loop = async () => {
    while (!ended) {
      try {
        await attach();
      } catch (error) {
        if (messageOf(error).includes("no terminal")) return;
      }
      if (!ended) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  };
  void loop();
  return {
    type(data: string) {
      if (exited && data === "\r")
        void callProject(client, projectId, "terminal.restart", { terminal_id: terminalId }).catch(() => {});
      else void current?.stream.write(encoder.encode(data)).catch(() => {});
    },
    resize: (rows: number, cols: number) => current?.send({ type: "resize", rows, cols }),
    end() {
      ended = true;
      current?.stream.end();
    },
  };
}

export default function TerminalPane(props: Props): ReactNode {
  const { client, projectId, terminalId, title, active } = props;
  const element = useRef<HTMLElement>(null);
  const term = useRef<Terminal>(undefined);
  const fit = useRef<FitAddon>(undefined);
  const scheme = useComputedColorScheme("light");

  useEffect(() => {
    if (!element.current) return;
    const made = new Terminal({
      fontFamily: "'JetBrains Mono Variable', ui-monospace, monospace",
      fontSize: 13,
      scrollback: 10_000,
      minimumContrastRatio: 4.5,
      cursorBlink: true,
      allowProposedApi: true,
    });
    const fitter = new FitAddon();
    made.loadAddon(fitter);
    made.loadAddon(new SearchAddon());
    made.loadAddon(new WebLinksAddon((_event, uri) => window.open(uri, "_blank", "noopener")));
    made.open(element.current);
    fitter.fit();
    term.current = made;
    fit.current = fitter;
    // Drawn by the GPU where there is one; the page's own drawing otherwise.
    void import("@xterm/addon-webgl")
      .then(({ WebglAddon }) => {
        const webgl = new WebglAddon();
        webgl.onContextLoss(() => webgl.dispose());
        made.loadAddon(webgl);
      })
      .catch(() => {});
    const viewer = follow(made, { client, projectId, terminalId });
    const typed = made.onData((data) => viewer.type(data));
    const resized = made.onResize(({ rows, cols }) => viewer.resize(rows, cols));
    const observer = new ResizeObserver(() => fitter.fit());
    observer.observe(element.current);
    return () => {
      observer.disconnect();
      typed.dispose();
      resized.dispose();
      viewer.end();
      made.dispose();
      term.current = undefined;
    };
  }, [client, projectId, terminalId]);

  useEffect(() => {
    if (term.current) term.current.options.theme = THEMES[scheme];
  }, [scheme]);
  useEffect(() => {
    if (active) term.current?.focus();
  }, [active]);
  return <section ref={element} className="term fill" aria-label={`Terminal ${title}`} />;
}
