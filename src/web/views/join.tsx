/** Where a project's invitation link leads: joins with this account, or makes one first. */
import { Button } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import type { Me, SetupStatus } from "../../contract/api.ts";
import { api, queryClient } from "../api.ts";
import { ErrorBlock } from "../components/blocks.tsx";
import { visible } from "../components/format.ts";
import { Mark } from "../components/icons.tsx";
import { AccountForm } from "./account-form.tsx";

export function JoinView({ status, me }: { status: SetupStatus; me: Me | undefined }): ReactNode {
  const [token] = useState(() => new URLSearchParams(location.hash.slice(1)).get("token") ?? "");
  const invited = useQuery({
    queryKey: ["invited", token],
    queryFn: () => api.people.look(token),
    retry: false,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const join = useMutation({
    mutationFn: () => api.people.accept(token),
    async onSuccess({ project_id }) {
      await queryClient.invalidateQueries();
      location.assign(`/projects/${project_id}`);
    },
  });
  const make = useMutation({
    async mutationFn(account: { name: string; email: string; password: string }) {
      await api.users.accept({ token, ...account });
      return await api.people.accept(token);
    },
    onSuccess: ({ project_id }) => location.assign(`/projects/${project_id}`),
  });
  const to = invited.data;
  const signIn = `/sign-in?next=${encodeURIComponent(`/join${location.hash}`)}`;
  return (
    <main className="center">
      <div className="card stack">
        <div className="row">
          <Mark />
          <b>{status.hub_name}</b>
        </div>
        <ErrorBlock error={invited.error ?? join.error ?? make.error} />
        {to ? (
          <>
            <h1>
              <bdi>{visible(to.invited_by)}</bdi> invites you to <bdi>{visible(to.project_name)}</bdi>
            </h1>
            <p className="dim" style={{ margin: 0 }}>
              As a {to.role}:{" "}
              {to.role === "viewer"
                ? "you read what its owner marked."
                : "you share its files, terminals and apps."}
            </p>
            {me ? (
              <Button loading={join.isPending} onClick={() => join.mutate()}>
                Join as {visible(me.name)}
              </Button>
            ) : (
              <>
                <Button component="a" variant="default" href={signIn}>
                  I have an account: sign in
                </Button>
                {to.makes_account ? (
                  <AccountForm
                    action="Make an account and join"
                    error={make.error}
                    pending={make.isPending}
                    submit={make.mutate}
                  />
                ) : (
                  <p className="dim">Without one, ask an admin of this hub.</p>
                )}
              </>
            )}
          </>
        ) : null}
      </div>
    </main>
  );
}
