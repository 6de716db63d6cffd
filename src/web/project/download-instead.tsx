import { Button } from "@mantine/core";
import type { ReactNode } from "react";

/** For what cannot be shown here. */
export function DownloadInstead({ href, text }: { href: string; text: string }): ReactNode {
  return (
    <div className="row" style={{ padding: 12 }}>
      <span className="dim">{text}</span>
      <Button size="xs" variant="default" component="a" href={href} download>
        Download
      </Button>
    </div>
  );
}
