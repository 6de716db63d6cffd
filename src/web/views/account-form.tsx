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
  const field = (key: keyof typeof form) => ({
    required: true,
    value: form[key],
    onChange(event: { currentTarget: { value: string } }) {
      const { value } = event.currentTarget;
      setForm((now) => ({ ...now, [key]: value }));
    },
    error:
      error instanceof CodedError
        ? error.details.errors?.find((one) => one.path === key)?.message
        : undefined,
  });
  return (
    <form
      className="stack"
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        submit(form);
      }}
    >
      <TextInput label="Name" autoComplete="name" {...field("name")} />
      <TextInput label="E-mail address" type="email" autoComplete="username" {...field("email")} />
      <PasswordInput
        label="Password"
        description="At least 10 characters"
        autoComplete="new-password"
        {...field("password")}
      />
      <Button type="submit" loading={pending}>
        {action}
      </Button>
    </form>
  );
}
