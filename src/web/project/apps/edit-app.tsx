/** A definition: a new one, a change of one, or a built-in made one's own. */
import { Button, Modal, NumberInput, Select, Textarea, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import {
  type AppBase,
  type AppDefinition,
  appDefinitionSchema,
  appNameSchema,
} from "../../../contract/apps.ts";
import { callProject } from "../../../contract/project-client.ts";
import { ErrorBlock } from "../../components/blocks.tsx";
import type { HostConnection } from "../../sockets/host-sockets.ts";

const BASES: { value: AppBase; label: string }[] = [
  { value: "keep", label: "Below its path: it is told $APP_BASE_URL" },
  { value: "strip", label: "At /: the path before it is taken away" },
  { value: "root", label: "At /, with an address of its own" },
];

export function EditApp({
  host,
  projectId,
  app,
  close,
}: {
  host: HostConnection;
  projectId: string;
  /** Without one it is new. */
  app: { name: string; definition: AppDefinition } | undefined;
  close: () => void;
}): ReactNode {
  const queries = useQueryClient();
  const [name, setName] = useState(app?.name ?? "");
  const [form, setForm] = useState({
    title: app?.definition.title ?? "",
    command: app?.definition.command ?? "",
    base: app?.definition.base ?? ("keep" as AppBase),
    idle_minutes: app?.definition.idle_minutes ?? 60,
  });
  const save = useMutation({
    mutationFn: async () => {
      const definition = appDefinitionSchema.parse({ ...app?.definition, ...form });
      await callProject(host.client, projectId, "apps.define", { app: name, definition });
      await queries.invalidateQueries({ queryKey: ["apps", projectId] });
    },
    onSuccess: close,
  });
  const wrong =
    name !== "" && !appNameSchema.safeParse(name).success ? "Small letters, digits and dashes" : undefined;
  const ready = name !== "" && !wrong && form.title.trim() !== "" && form.command.trim() !== "";
  return (
    <Modal opened onClose={close} title={app ? `Change ${app.name}` : "Add an app"} withCloseButton={false}>
      <form
        className="stack"
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          if (ready) save.mutate();
        }}
      >
        {app ? null : (
          <TextInput
            data-autofocus
            label="Name in its address"
            description={`…/apps/${name || "name"}/`}
            value={name}
            error={wrong}
            onChange={(event) => setName(event.currentTarget.value)}
          />
        )}
        <TextInput
          label="Title"
          value={form.title}
          onChange={(event) => setForm({ ...form, title: event.currentTarget.value })}
        />
        <Textarea
          label="Command"
          description="Serves HTTP on 127.0.0.1 and the port in $PORT"
          autosize
          minRows={2}
          maxRows={8}
          styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
          value={form.command}
          onChange={(event) => setForm({ ...form, command: event.currentTarget.value })}
        />
        <Select
          label="Where it thinks it is"
          data={BASES}
          allowDeselect={false}
          value={form.base}
          onChange={(value) => setForm({ ...form, base: (value ?? "keep") as AppBase })}
        />
        <NumberInput
          label="Stopped after so many minutes without use"
          description="0: never. One that works is in use."
          min={0}
          max={10080}
          value={form.idle_minutes}
          onChange={(value) => setForm({ ...form, idle_minutes: Number(value) || 0 })}
        />
        <ErrorBlock error={save.error} />
        <div className="row" style={{ justifyContent: "flex-end" }}>
          <Button variant="subtle" color="gray" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" disabled={!ready} loading={save.isPending}>
            Save
          </Button>
        </div>
      </form>
    </Modal>
  );
}
