/** Line icons, 16 px, drawn here: an icon package weighs more than the rest of the UI. */
import type { ReactNode } from "react";

const PATHS = {
  apps: "M3 3h4v4H3zM9.5 3h3.5v4H9.5zM3 9.5h4V13H3zM9.5 9.5h3.5V13H9.5z",
  folder: "M2 4.5h4l1.5 2H14v6.5H2z",
  file: "M4 2h5l3 3v9H4zM9 2v3h3",
  terminal: "M2 3h12v10H2zM4.5 6l2 2-2 2M8.5 10h3",
  clock: "M8 13.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11zM8 5v3.2l2.2 1.4",
  host: "M2.5 3h11v4h-11zM2.5 9h11v4h-11zM5 5h.01M5 11h.01",
  people:
    "M6 7.5a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4zM2 13c0-2.2 1.8-3.5 4-3.5s4 1.3 4 3.5M10.5 3.4a2.2 2.2 0 0 1 0 4M11.5 9.8c1.5.4 2.5 1.5 2.5 3.2",
  health: "M1.5 8h3l2-4.5 3 9 2-4.5h3",
  audit: "M3 4h2M3 8h2M3 12h2M7 4h6M7 8h6M7 12h6",
  settings:
    "M8 10.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4zM8 1.8v2M8 12.2v2M1.8 8h2M12.2 8h2M3.6 3.6l1.4 1.4M11 11l1.4 1.4M12.4 3.6 11 5M5 11l-1.4 1.4",
  layers: "M8 2.5 14 5.5 8 8.5 2 5.5zM2 8l6 3 6-3M2 10.5l6 3 6-3",
  plus: "M8 3v10M3 8h10",
  close: "M4 4l8 8M12 4l-8 8",
  search: "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.3 10.3l3.2 3.2",
  download: "M8 2.5v7.5M4.8 7 8 10.2 11.2 7M3 13h10",
  upload: "M8 10V2.5M4.8 5.5 8 2.3l3.2 3.2M3 13h10",
  copy: "M5.5 5.5h7.5V13H5.5zM10.5 5.5V3H3v7.5h2.5",
  stop: "M4.5 4.5h7v7h-7z",
  check: "M3 8.5l3.2 3.2L13 5",
  open: "M6 3H3v10h10v-3M9 3h4v4M13 3 7.5 8.5",
  refresh: "M13 8a5 5 0 1 1-1.5-3.5M13 2v3h-3",
  chevron: "M6 4l4 4-4 4",
  trash: "M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.5 8.5h6l.5-8.5",
  pencil: "M3 13l.6-2.6L10.8 3.2l2 2-7.2 7.2z",
  more: "M4 8h.01M8 8h.01M12 8h.01",
  moon: "M13 9.5A5.5 5.5 0 0 1 6.5 3a5.5 5.5 0 1 0 6.5 6.5z",
  backup: "M2.5 3h11v3h-11zM3.5 6v7h9V6M6.5 8.5h3",
  key: "M10 6.5a2.5 2.5 0 1 1-2.2-2.5M8 7l-5 5v1.5h2V12h1.5v-1.5H8",
} as const;
export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }): ReactNode {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.3"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}

/** A tunnel mouth with a light in it. */
export function Mark(): ReactNode {
  return (
    <svg width="20" height="20" viewBox="0 0 20 20" aria-hidden="true">
      <path d="M3 18V9.5a7 7 0 0 1 14 0V18h-4V9.6a3 3 0 0 0-6 0V18z" fill="var(--lp-accent)" />
      <circle cx="10" cy="15.5" r="2" fill="#f59e42" />
    </svg>
  );
}
