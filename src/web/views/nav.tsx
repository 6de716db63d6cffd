/** The pages of an administrator, one entry each; those with a label are in the sidebar, in this order. */
import { type ComponentType, type LazyExoticComponent, lazy } from "react";
import type { Me } from "../../contract/api.ts";
import type { IconName } from "../components/icons.tsx";

interface AdminPage {
  /** wouter's pattern; `:id` reaches the view as `selected`. */
  path: string;
  label?: string;
  icon?: IconName;
  /** There with one person and one project too. */
  plus?: true;
  view: LazyExoticComponent<ComponentType<{ selected?: string }>>;
}

const hosts = lazy(() => import("./hosts.tsx"));

const ADMIN_PAGES: readonly AdminPage[] = [
  { path: "/hosts", label: "Hosts", icon: "host", view: hosts },
  { path: "/hosts/:id", view: hosts },
  { path: "/backups", label: "Backups", icon: "backup", view: lazy(() => import("./backups.tsx")) },
  { path: "/images", label: "Images", icon: "layers", view: lazy(() => import("./images.tsx")) },
  { path: "/health", label: "Health", icon: "health", plus: true, view: lazy(() => import("./health.tsx")) },
  { path: "/people", label: "People", icon: "people", view: lazy(() => import("./people.tsx")) },
  {
    path: "/first-steps",
    label: "First steps",
    icon: "check",
    view: lazy(() => import("./first-steps.tsx")),
  },
  { path: "/audit", label: "Audit log", icon: "audit", view: lazy(() => import("./audit.tsx")) },
  { path: "/settings", label: "Settings", icon: "settings", view: lazy(() => import("./settings.tsx")) },
];

/** What this person may see of them. */
export function adminPages(me: Me): readonly AdminPage[] {
  if (me.role !== "admin") return [];
  return me.hub.product === "plus" ? ADMIN_PAGES.filter((one) => one.plus) : ADMIN_PAGES;
}
