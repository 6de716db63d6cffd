import { useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import type { ReactNode } from "react";
import { Link, useLocation } from "wouter";
import type { ClientState } from "../../conat/client.ts";
import type { Me } from "../../contract/api.ts";
import { retryHub } from "../api.ts";
import { initials, visible } from "./format.ts";
import { Icon, type IconName, Mark } from "./icons.tsx";
import { Palette } from "./palette.tsx";

function Nav({ to, icon, children }: { to: string; icon: IconName; children: ReactNode }): ReactNode {
  const [path] = useLocation();
  return (
    <Link href={to} className="nav" aria-current={path.startsWith(to) ? "page" : undefined}>
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
  return (
    <div className="shell">
      <nav className="side" aria-label="Main">
        <a className="skip" href="#page">
          Skip to the page
        </a>
        <Link href="/projects" className="brand">
          <Mark />
          <span>{me.hub.name}</span>
        </Link>
        <Palette me={me} />
        <Nav to="/projects" icon="folder">
          Projects
        </Nav>
        {me.role === "admin" ? (
          <>
            <div className="side-title">Administration</div>
            <Nav to="/hosts" icon="host">
              Hosts
            </Nav>
            <Nav to="/health" icon="health">
              Health
            </Nav>
            <Nav to="/people" icon="people">
              People
            </Nav>
            <Nav to="/audit" icon="audit">
              Audit log
            </Nav>
            <Nav to="/settings" icon="settings">
              Settings
            </Nav>
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
            <span className="dim">{me.role === "admin" ? "Admin" : "User"}</span>
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
