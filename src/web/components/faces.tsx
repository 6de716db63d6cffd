/** People as rings with their initials; a colour of its own for each. */
import type { CSSProperties, ReactNode } from "react";
import { type Someone, usePresence } from "../presence.ts";
import { hueOf, initials, visible } from "./format.ts";

const MOST = 4;

interface FaceProps {
  id: string;
  name: string;
  ways?: Someone["ways"];
}

/** What a face says beside the name, of somebody who is there not by a page alone. */
export function wayOf({ ways }: Pick<Someone, "ways">): string {
  if (!ways.includes("ssh")) return "";
  return ways.includes("browser") ? ", also over SSH" : ", over SSH";
}

export function Face({ id, name, ways = ["browser"] }: FaceProps): ReactNode {
  const label = `${visible(name)}${wayOf({ ways })}`;
  return (
    <span
      className={ways.includes("browser") ? "face" : "face away"}
      role="img"
      aria-label={label}
      title={label}
      style={{ "--hue": hueOf(id) } as CSSProperties}
    >
      {initials(name)}
    </span>
  );
}

/** Who is in the project now, except oneself. */
export function Faces({ projectId, except }: { projectId: string; except?: string }): ReactNode {
  const people = usePresence(projectId).filter((one) => one.account_id !== except);
  if (people.length === 0) return null;
  return (
    <span className="faces">
      <span className="vh">Here now: </span>
      {people.slice(0, MOST).map((one) => (
        <Face key={one.account_id} id={one.account_id} name={one.name} ways={one.ways} />
      ))}
      {people.length > MOST ? <span className="dim">+{people.length - MOST}</span> : null}
    </span>
  );
}
