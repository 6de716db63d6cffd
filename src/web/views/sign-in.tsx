import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { CodedError } from "../../core/errors.ts";
import { api } from "../api.ts";
import { ErrorBlock } from "../components/blocks.tsx";
import { Mark } from "../components/icons.tsx";

/** A path of this very origin, whatever the address says. */
function nextPath(): string {
  const next = new URLSearchParams(location.search).get("next") ?? "/projects";
  return /^\/(?![/\\])/.test(next) ? next : "/projects";
}

export function SignInView({ hubName }: { hubName: string }): ReactNode {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const signIn = useMutation({
    async mutationFn() {
      try {
        await api.signIn(email, password);
      } catch (error) {
        if (error instanceof CodedError && error.status === 401) {
          throw new CodedError({
            code: "auth.wrong-password",
            title: "This e-mail address and password do not fit together",
            fix: "Try again. An admin can make a new invitation if the password is lost.",
          });
        }
        throw error;
      }
    },
    onSuccess: () => location.assign(nextPath()),
  });
  return (
    <main className="center">
      <form
        className="card stack"
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          signIn.mutate();
        }}
      >
        <div className="row">
          <Mark />
          <b>{hubName}</b>
        </div>
        <h1>Sign in</h1>
        <ErrorBlock error={signIn.error} />
        <TextInput
          label="E-mail address"
          type="email"
          autoComplete="username"
          required
          value={email}
          onChange={(event) => setEmail(event.currentTarget.value)}
        />
        <PasswordInput
          label="Password"
          autoComplete="current-password"
          required
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <Button type="submit" loading={signIn.isPending}>
          Sign in
        </Button>
      </form>
    </main>
  );
}
