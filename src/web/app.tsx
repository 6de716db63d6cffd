/** Which page for which address, for whom. */
import { useQuery } from "@tanstack/react-query";
import { lazy, type ReactNode, Suspense, useEffect, useState } from "react";
import { Redirect, Route, Switch, useLocation } from "wouter";
import type { ClientState } from "../conat/client.ts";
import type { Me } from "../contract/api.ts";
import { CodedError } from "../core/errors.ts";
import { api, followHub, keys } from "./api.ts";
import { ErrorBlock } from "./components/blocks.tsx";
import { Shell } from "./components/shell.tsx";
import { SetupView } from "./views/setup.tsx";
import { SignInView } from "./views/sign-in.tsx";

const ProjectsView = lazy(() => import("./views/projects.tsx"));
const ProjectView = lazy(() => import("./project/project.tsx"));
const HostsView = lazy(() => import("./views/hosts.tsx"));
const HealthView = lazy(() => import("./views/health.tsx"));
const PeopleView = lazy(() => import("./views/people.tsx"));
const SettingsView = lazy(() => import("./views/settings.tsx"));
const AuditView = lazy(() => import("./views/audit.tsx"));
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
  if (setup.data.needed || path === "/setup") return <SetupView status={setup.data} />;
  if (path === "/invitation") return <SetupView status={setup.data} invitation />;
  if (path === "/sign-in") return <SignInView hubName={setup.data.hub_name} />;
  const signedOut = me.error instanceof CodedError && me.error.status === 401;
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

function SignedIn({ me, signedOut }: { me: Me; signedOut: boolean }): ReactNode {
  const [connection, setConnection] = useState<ClientState>({ state: "connecting", attempt: 0 });
  useEffect(() => followHub(setConnection), []);
  const admin = me.role === "admin";
  return (
    <Suspense fallback={null}>
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
        <Route path="/projects/:id">
          {({ id }) => <ProjectView id={id} me={me} connection={connection} />}
        </Route>
        <Route>
          <Shell me={me} connection={connection}>
            <Switch>
              <Route path="/">
                <Redirect to="/projects" />
              </Route>
              <Route path="/projects">
                <ProjectsView />
              </Route>
              <Route path="/account">
                <AccountView me={me} />
              </Route>
              {admin ? (
                <Route path="/hosts">
                  <HostsView />
                </Route>
              ) : null}
              {admin ? <Route path="/hosts/:id">{({ id }) => <HostsView selected={id} />}</Route> : null}
              {admin ? (
                <Route path="/health">
                  <HealthView />
                </Route>
              ) : null}
              {admin ? (
                <Route path="/people">
                  <PeopleView />
                </Route>
              ) : null}
              {admin ? (
                <Route path="/settings">
                  <SettingsView />
                </Route>
              ) : null}
              {admin ? (
                <Route path="/audit">
                  <AuditView />
                </Route>
              ) : null}
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
