/** The first account, and accounts by invitation: the same form. */
import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { Link } from "wouter";
import type { SetupStatus } from "../../contract/api.ts";
import { CodedError } from "../../core/errors.ts";
import { api, queryClient } from "../api.ts";
import { ErrorBlock } from "../components/blocks.tsx";
import { Mark } from "../components/icons.tsx";

/** In the fragment: it is not sent to any server, nor kept in a log. */
function tokenFromAddress(): string {
  return (
    new URLSearchParams(location.hash.slice(1)).get("token") ??
    new URLSearchParams(location.search).get("token") ??
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
  const [token] = useState(tokenFromAddress);
  const [form, setForm] = useState({ name: "", email: "", password: "" });
  const create = useMutation({
    mutationFn: () => (invitation ? api.users.accept({ token, ...form }) : api.setup.run({ token, ...form })),
    async onSuccess() {
      history.replaceState(null, "", "/projects");
      await queryClient.invalidateQueries();
      location.assign(invitation ? "/projects" : "/hosts");
    },
  });
  const fieldError = (path: string) =>
    create.error instanceof CodedError
      ? create.error.details.errors?.find((one) => one.path === path)?.message
      : undefined;
  const set = (key: keyof typeof form) => (event: { currentTarget: { value: string } }) => {
    const { value } = event.currentTarget;
    setForm((now) => ({ ...now, [key]: value }));
  };
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
          <form
            className="stack"
            onSubmit={(event: FormEvent) => {
              event.preventDefault();
              create.mutate();
            }}
          >
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
            <TextInput
              label="Name"
              autoComplete="name"
              required
              value={form.name}
              onChange={set("name")}
              error={fieldError("name")}
            />
            <TextInput
              label="E-mail address"
              type="email"
              autoComplete="username"
              required
              value={form.email}
              onChange={set("email")}
              error={fieldError("email")}
            />
            <PasswordInput
              label="Password"
              description="At least 10 characters"
              autoComplete="new-password"
              required
              value={form.password}
              onChange={set("password")}
              error={fieldError("password")}
            />
            <Button type="submit" loading={create.isPending}>
              Create account
            </Button>
          </form>
        )}
      </div>
    </main>
  );
}
