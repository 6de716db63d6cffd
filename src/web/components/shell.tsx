import { useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { type ReactNode, useEffect, useRef } from "react";
import { Link, useLocation } from "wouter";
import type { ClientState } from "../../conat/client.ts";
import type { Me } from "../../contract/api.ts";
import { retryHub } from "../api.ts";
import { adminPages } from "../views/nav.tsx";
import { initials, visible } from "./format.ts";
import { Icon, type IconName, Mark } from "./icons.tsx";
import { Palette } from "./palette.tsx";

function Nav({ to, icon, children }: { to: string; icon: IconName; children: ReactNode }): ReactNode {
  const [path] = useLocation();
  const here = path.startsWith(to);
  const link = useRef<HTMLAnchorElement>(null);
  // On a narrow screen they are in one row that scrolls.
  useEffect(() => {
    if (here) link.current?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }, [here]);
  return (
    <Link href={to} className="nav" aria-current={here ? "page" : undefined} ref={link}>
      <Icon name={icon} />
      {children}
    </Link>
  );
}

export function ColorSchemeButton(): ReactNode {
  const { setColorScheme } = useMantineColorScheme();
  const now = useComputedColorScheme("light");
  return (
    <button type="button" className="nav" onClick={() => setColorScheme(now === "dark" ? "light" : "dark")}>
      <Icon name="moon" />
      {now === "dark" ? "Light" : "Dark"}
    </button>
  );
}

/** Said once, with what goes on by itself. */
export function ConnectionBanner({ connection }: { connection: ClientState }): ReactNode {
  if (connection.state !== "waiting") return null;
  return (
    <div className="banner" role="alert">
      The hub does not answer. What you see may be old. Trying again by itself; nothing you typed is lost.{" "}
      <button type="button" className="link" onClick={retryHub}>
        Try now
      </button>
    </div>
  );
}

export function Shell({
  me,
  connection,
  children,
}: {
  me: Me;
  connection: ClientState;
  children: ReactNode;
}): ReactNode {
  const [path] = useLocation();
  const pages = adminPages(me);
  const plus = me.hub.product === "plus";
  return (
    <div className="shell">
      <nav className="side" aria-label="Main">
        <a className="skip" href="#page">
          Skip to the page
        </a>
        {/* Its name is for narrow screens, where the words are not shown. */}
        <Link href="/projects" className="brand" aria-label={me.hub.name}>
          <Mark />
          <span>{me.hub.name}</span>
        </Link>
        <Palette me={me} />
        <Nav to="/projects" icon="folder">
          {plus ? "Files and terminals" : "Projects"}
        </Nav>
        {pages.length > 0 ? (
          <>
            <div className="side-title">Administration</div>
            {pages.map(({ path: to, label, icon }) =>
              label && icon ? (
                <Nav key={to} to={to} icon={icon}>
                  {label}
                </Nav>
              ) : null,
            )}
          </>
        ) : null}
        <div className="grow" />
        <ColorSchemeButton />
        <Link
          href="/account"
          className="nav person"
          aria-current={path.startsWith("/account") ? "page" : undefined}
        >
          <span className="initials" aria-hidden="true">
            {initials(me.name)}
          </span>
          <span className="who">
            <bdi>{visible(me.name)}</bdi>
            {plus ? null : <span className="dim">{me.role === "admin" ? "Admin" : "User"}</span>}
          </span>
        </Link>
      </nav>
      {/* A scrolling region must be reachable by key. */}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: so that keys scroll it */}
      <main className="page" id="page" tabIndex={0}>
        <ConnectionBanner connection={connection} />
        {children}
      </main>
    </div>
  );
}
