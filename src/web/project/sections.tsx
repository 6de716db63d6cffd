/** What a project has beside its files and terminals: `/projects/<id>/<section>`, one entry each. */
import { type ComponentType, type LazyExoticComponent, lazy, type ReactNode } from "react";
import { Link } from "wouter";
import type { Me, Project, Role } from "../../contract/api.ts";
import { Icon, type IconName } from "../components/icons.tsx";
import type { HostConnection } from "../sockets/host-sockets.ts";

export interface SectionProps {
  project: Project;
  me: Me;
  /** Undefined while the project does not run. */
  host: HostConnection | undefined;
}
export interface Section {
  id: string;
  label: string;
  icon: IconName;
  /** `page` takes the room of files and terminals; `panel` stands beside them. */
  place: "page" | "panel";
  /** Makes no sense for one person alone. */
  team?: true;
  /** Who sees it; all members unless said. */
  roles?: readonly Role[];
  view: LazyExoticComponent<ComponentType<SectionProps>>;
}

const MEMBERS = ["owner", "collaborator"] as const;

const SECTIONS: readonly Section[] = [
  {
    id: "apps",
    label: "Apps",
    icon: "apps",
    place: "page",
    roles: MEMBERS,
    view: lazy(() => import("./apps/apps-page.tsx")),
  },
  {
    id: "snapshots",
    label: "Snapshots",
    icon: "clock",
    // Plus's project is a person's own directory, which nothing snapshots.
    team: true,
    place: "page",
    roles: ["owner", "collaborator"],
    view: lazy(() => import("./snapshots.tsx")),
  },
  {
    id: "usage",
    label: "Usage",
    icon: "health",
    team: true,
    place: "page",
    roles: ["owner", "collaborator"],
    view: lazy(() => import("./usage-section.tsx")),
  },
  {
    id: "people",
    label: "People",
    icon: "people",
    team: true,
    place: "page",
    view: lazy(() => import("./people-section.tsx")),
  },
  {
    id: "connect",
    label: "Connect over SSH",
    icon: "key",
    team: true,
    place: "page",
    roles: ["owner", "collaborator"],
    view: lazy(() => import("./connect.tsx")),
  },
  {
    id: "backups",
    label: "Backups",
    icon: "backup",
    place: "page",
    view: lazy(() => import("./backups.tsx")),
  },
];

/** Undefined for files and terminals, and for an address that means nothing to this member. */
export function sectionOf(id: string | undefined, role: Role): Section | undefined {
  return sectionsFor(role).find((one) => one.id === id);
}

function sectionsFor(role: Role): Section[] {
  return SECTIONS.filter((one) => one.roles?.includes(role) ?? true);
}

export function Rail({
  project,
  current,
  plus,
}: {
  project: Project;
  current: Section | undefined;
  /** One person alone. */
  plus: boolean;
}): ReactNode {
  const home = `/projects/${project.project_id}`;
  const sections = sectionsFor(project.role).filter((one) => !plus || !one.team);
  if (sections.length === 0) return null;
  const item = (to: string, label: string, icon: IconName, here: boolean) => (
    <Link
      key={to}
      href={to}
      className="rail-item"
      aria-label={label}
      aria-current={here ? "page" : undefined}
    >
      <Icon name={icon} size={18} />
      <span className="rail-label" aria-hidden="true">
        {label}
      </span>
    </Link>
  );
  return (
    <nav className="rail" aria-label="Project">
      {item(home, "Files and terminals", "folder", current?.place !== "page")}
      {sections.map((one) =>
        item(current === one ? home : `${home}/${one.id}`, one.label, one.icon, current === one),
      )}
    </nav>
  );
}
