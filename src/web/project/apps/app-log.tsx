/** What an app said last, and goes on to say. */
import { Modal } from "@mantine/core";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { callProject } from "../../../contract/project-client.ts";
import { ErrorBlock } from "../../components/blocks.tsx";
import type { HostConnection } from "../../sockets/host-sockets.ts";

const ASK_MS = 1_000;
/** Of what is shown. */
const MAX_SHOWN = 200_000;

export function AppLogView({
  host,
  projectId,
  app,
  title,
  close,
}: {
  host: HostConnection;
  projectId: string;
  app: string;
  title: string;
  close: () => void;
}): ReactNode {
  const [text, setText] = useState("");
  const [error, setError] = useState<unknown>();
  const pre = useRef<HTMLPreElement>(null);
  useEffect(() => {
    let from = 0;
    let wanted = true;
    const ask = async () => {
      try {
        const log = await callProject(host.client, projectId, "apps.log", { app, from });
        if (!wanted) return;
        const goesOn = log.from === from && from > 0;
        from = log.next;
        setError(undefined);
        if (log.text !== "" || !goesOn) setText((now) => ((goesOn ? now : "") + log.text).slice(-MAX_SHOWN));
      } catch (caught) {
        if (wanted) setError(caught);
      }
    };
    void ask();
    const timer = setInterval(() => void ask(), ASK_MS);
    return () => {
      wanted = false;
      clearInterval(timer);
    };
  }, [host, projectId, app]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: whenever there is more to see
  useEffect(() => {
    pre.current?.scrollTo({ top: pre.current.scrollHeight });
  }, [text]);
  return (
    <Modal
      opened
      onClose={close}
      title={`Log of ${title}`}
      size="xl"
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <ErrorBlock error={error} />
      <pre ref={pre} className="app-log mono" role="log" aria-label={`Output of ${title}`}>
        {text || "It has said nothing."}
      </pre>
    </Modal>
  );
}
