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

  if (setup.error)
    return (
      <Centered>
        <ErrorBlock error={setup.error} />
      </Centered>
    );
  if (!setup.data) return null;
  if (setup.data.needed || path === "/setup") return <SetupView status={setup.data} />;
  if (path === "/invitation") return <SetupView status={setup.data} invitation />;
  if (path === "/sign-in") return <SignInView hubName={setup.data.hub_name} />;
  if (me.error) {
    const signedOut = me.error instanceof CodedError && me.error.status === 401;
    return signedOut ? (
      <Redirect to={`/sign-in?next=${encodeURIComponent(path)}`} />
    ) : (
      <Centered>
        <ErrorBlock error={me.error} />
      </Centered>
    );
  }
  if (!me.data) return null;
  return <SignedIn me={me.data} />;
}

function Centered({ children }: { children: ReactNode }): ReactNode {
  return (
    <main className="center">
      <div className="card">{children}</div>
    </main>
  );
}

function SignedIn({ me }: { me: Me }): ReactNode {
  const [connection, setConnection] = useState<ClientState>({ state: "connecting", attempt: 0 });
  useEffect(() => followHub(setConnection), []);
  const admin = me.role === "admin";
  return (
    <Suspense fallback={null}>
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
