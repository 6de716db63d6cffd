import { Button } from "@mantine/core";
import type { ReactNode } from "react";

/** What was just done, and the way back. */
export function UndoNotice({ text, undo }: { text: string; undo: () => void }): ReactNode {
  return (
    <div className="row">
      <span style={{ flex: 1 }}>
        <bdi>{text}</bdi>
      </span>
      <Button size="xs" variant="default" onClick={undo}>
        Undo
      </Button>
    </div>
  );
}
