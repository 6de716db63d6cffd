/** The first account, and accounts by invitation: the same form. */
import { Button } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Link } from "wouter";
import type { SetupStatus } from "../../contract/api.ts";
import { api, queryClient } from "../api.ts";
import { ErrorBlock } from "../components/blocks.tsx";
import { Mark } from "../components/icons.tsx";
import { AccountForm } from "./account-form.tsx";

/** In the fragment: it is not sent to any server, nor kept in a log. An appliance's link may name the admin too. */
function fromAddress(key: "token" | "email"): string {
  return (
    new URLSearchParams(location.hash.slice(1)).get(key) ??
    new URLSearchParams(location.search).get(key) ??
    ""
  );
}

export function SetupView({
  status,
  invitation = false,
}: {
  status: SetupStatus;
  invitation?: boolean;
}): ReactNode {
  const [token] = useState(() => fromAddress("token"));
  const create = useMutation({
    mutationFn: (account: { name: string; email: string; password: string }) =>
      invitation ? api.users.accept({ token, ...account }) : api.setup.run({ token, ...account }),
    async onSuccess() {
      history.replaceState(null, "", "/projects");
      await queryClient.invalidateQueries();
      location.assign(invitation ? "/projects" : "/hosts");
    },
  });
  const done = !invitation && !status.needed;
  return (
    <main className="center">
      <div className="card stack">
        <div className="row">
          <Mark />
          <b>{status.hub_name}</b>
        </div>
        {done ? (
          <>
            <h1>This hub is set up already</h1>
            <p className="dim">
              {status.made_by ?? "Somebody"} made the admin account. Ask for an invitation, or sign in.
            </p>
            <Button component={Link} href="/sign-in">
              Sign in
            </Button>
          </>
        ) : (
          <>
            <h1>{invitation ? "Make your account" : "Make the admin account"}</h1>
            <p className="dim" style={{ margin: 0 }}>
              {invitation
                ? "You were invited to this hub."
                : "You will run this hub: its machines, its people and its settings."}
            </p>
            <ErrorBlock error={create.error} />
            {token === "" ? (
              <p className="dim">This page needs the whole link: its end, after #token=, is missing.</p>
            ) : null}
            <AccountForm
              action="Create account"
              email={fromAddress("email")}
              error={create.error}
              pending={create.isPending}
              submit={create.mutate}
            />
          </>
        )}
      </div>
    </main>
  );
}
