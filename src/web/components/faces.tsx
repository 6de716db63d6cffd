/** People as rings with their initials; a colour of its own for each. */
import type { CSSProperties, ReactNode } from "react";
import { usePresence } from "../presence.ts";
import { hueOf, initials, visible } from "./format.ts";

const MOST = 4;

export function Face({ id, name }: { id: string; name: string }): ReactNode {
  return (
    <span
      className="face"
      role="img"
      aria-label={visible(name)}
      title={visible(name)}
      style={{ "--hue": hueOf(id) } as CSSProperties}
    >
      {initials(name)}
    </span>
  );
}

/** Who has the project open now, except oneself. */
export function Faces({ projectId, except }: { projectId: string; except?: string }): ReactNode {
  const people = usePresence(projectId).filter((one) => one.account_id !== except);
  if (people.length === 0) return null;
  return (
    <span className="faces">
      <span className="vh">Here now: </span>
      {people.slice(0, MOST).map((one) => (
        <Face key={one.account_id} id={one.account_id} name={one.name} />
      ))}
      {people.length > MOST ? <span className="dim">+{people.length - MOST}</span> : null}
    </span>
  );
}
