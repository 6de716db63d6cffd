/** Which page for which address, for whom. */
import { useQuery } from "@tanstack/react-query";
import { lazy, type ReactNode, Suspense, useEffect, useRef, useState } from "react";
import { Redirect, Route, Switch, useLocation } from "wouter";
import type { ClientState } from "../conat/client.ts";
import type { Me } from "../contract/api.ts";
import { CodedError } from "../core/errors.ts";
import { api, followHub, keys } from "./api.ts";
import { ErrorBlock } from "./components/blocks.tsx";
import { Shell } from "./components/shell.tsx";
import { JoinView } from "./views/join.tsx";
import { adminPages } from "./views/nav.tsx";
import { SetupView } from "./views/setup.tsx";
import { SignInView } from "./views/sign-in.tsx";

const ProjectsView = lazy(() => import("./views/projects.tsx"));
const ProjectView = lazy(() => import("./project/project.tsx"));
const AccountView = lazy(() => import("./views/account.tsx"));

const ASK_AGAIN_MS = 3_000;

export function App(): ReactNode {
  const [path] = useLocation();
  const setup = useQuery({ queryKey: keys.setup, queryFn: api.setup.status, staleTime: 300_000 });
  const me = useQuery({
    queryKey: keys.me,
    queryFn: api.me.get,
    retry: false,
    enabled: setup.data?.needed === false,
  });
  useEffect(() => {
    if (setup.data) document.title = setup.data.hub_name;
  }, [setup.data]);

  if (!setup.data) return setup.error ? <Trouble error={setup.error} again={setup.refetch} /> : null;
  const signedOut = me.error instanceof CodedError && me.error.status === 401;
  if (setup.data.product === "plus" && signedOut && !me.data) return <Closed />;
  if (setup.data.needed || path === "/setup") return <SetupView status={setup.data} />;
  if (path === "/invitation") return <SetupView status={setup.data} invitation />;
  if (path === "/join") return me.isPending ? null : <JoinView status={setup.data} me={me.data} />;
  if (path === "/sign-in") return <SignInView hubName={setup.data.hub_name} />;
  if (!me.data) {
    if (signedOut) return <Redirect to={`/sign-in?next=${encodeURIComponent(path)}`} />;
    return me.error ? <Trouble error={me.error} again={me.refetch} /> : null;
  }
  return <SignedIn me={me.data} signedOut={signedOut} />;
}

/** The hub did not answer the first question. It is asked again until it does. */
function Trouble({ error, again }: { error: unknown; again: () => Promise<unknown> }): ReactNode {
  useEffect(() => {
    const timer = setInterval(() => void again(), ASK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [again]);
  return (
    <main className="center">
      <div className="card">
        <ErrorBlock error={error} />
        <p className="dim">Trying again by itself.</p>
      </div>
    </main>
  );
}

/** Plus has no password: the address that it printed is the key. */
function Closed(): ReactNode {
  return (
    <main className="center">
      <div className="card">
        <h1>Open the address that was printed</h1>
        <p>
          <code>cocalc-hub plus</code> printed an address with a token when it started. Open that one in this
          browser; it is remembered from then on.
        </p>
      </div>
    </main>
  );
}

function OnlyProject(): ReactNode {
  const projects = useQuery({ queryKey: keys.projects, queryFn: api.projects.list });
  if (projects.error && !projects.data)
    return (
      <div className="body">
        <ErrorBlock error={projects.error} />
      </div>
    );
  const only = projects.data?.[0];
  return only ? <Redirect to={`/projects/${only.project_id}`} /> : null;
}

function SignedIn({ me, signedOut }: { me: Me; signedOut: boolean }): ReactNode {
  const [connection, setConnection] = useState<ClientState>({ state: "connecting", attempt: 0 });
  useEffect(() => followHub(setConnection), []);
  /** Of the hub that this page came from. */
  const cameFrom = useRef(me.hub.version);
  return (
    <Suspense fallback={null}>
      {me.hub.version !== cameFrom.current ? (
        // By itself it would cut what somebody is about to type.
        <div className="banner" role="alert">
          The hub runs {me.hub.version} now, and this page is of {cameFrom.current}: some of it may not open
          any more.{" "}
          <button type="button" className="link" onClick={() => location.reload()}>
            Load it again
          </button>
          ; terminals and what is typed in editors are kept.
        </div>
      ) : null}
      {signedOut ? (
        // What is on the page stays: there may be typed text in it.
        <div className="banner" role="alert">
          You were signed out: the session ended or was ended elsewhere.{" "}
          <a href="/sign-in" target="_blank" rel="noopener">
            Sign in again
          </a>{" "}
          in another tab, and this page goes on.
        </div>
      ) : null}
      <Switch>
        <Route path="/projects/:id/:section?">
          {({ id, section }) => <ProjectView id={id} section={section} me={me} connection={connection} />}
        </Route>
        <Route>
          <Shell me={me} connection={connection}>
            <Switch>
              <Route path="/">
                <Redirect to="/projects" />
              </Route>
              <Route path="/projects">{me.hub.product === "plus" ? <OnlyProject /> : <ProjectsView />}</Route>
              <Route path="/account">
                <AccountView me={me} />
              </Route>
              {adminPages(me).map(({ path: pattern, view: View }) => (
                <Route<{ id?: string }, string> key={pattern} path={pattern}>
                  {({ id }) => (id === undefined ? <View /> : <View selected={id} />)}
                </Route>
              ))}
              <Route>
                <div className="empty">
                  <h1>There is nothing at this address</h1>
                  <p>It does not exist, or it is not yours to see.</p>
                </div>
              </Route>
            </Switch>
          </Shell>
        </Route>
      </Switch>
    </Suspense>
  );
}
