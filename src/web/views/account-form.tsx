/** Name, address and password of a new account. */
import { Button, PasswordInput, TextInput } from "@mantine/core";
import { type FormEvent, type ReactNode, useState } from "react";
import { CodedError } from "../../core/errors.ts";

export function AccountForm({
  action,
  email = "",
  error,
  pending,
  submit,
}: {
  action: string;
  /** Filled in already. */
  email?: string;
  /** Of the last try: what it says of a field stands at that field. */
  error: unknown;
  pending: boolean;
  submit: (account: { name: string; email: string; password: string }) => void;
}): ReactNode {
  const [form, setForm] = useState({ name: "", email, password: "" });
  const fieldError = (path: string) =>
    error instanceof CodedError ? error.details.errors?.find((one) => one.path === path)?.message : undefined;
  const set = (key: keyof typeof form) => (event: { currentTarget: { value: string } }) => {
    const { value } = event.currentTarget;
    setForm((now) => ({ ...now, [key]: value }));
  };
  return (
    <form
      className="stack"
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        submit(form);
      }}
    >
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
      <Button type="submit" loading={pending}>
        {action}
      </Button>
    </form>
  );
}
