/** Name, limits, and the end of a project. */
import { Button, Modal, Textarea, TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useEffect, useMemo, useState } from "react";
import { useLocation } from "wouter";
import type { Project } from "../../contract/api.ts";
import { api, keys, queryClient } from "../api.ts";
import { ErrorBlock } from "../components/blocks.tsx";
import { visible } from "../components/format.ts";
import { LimitFields, limitForm, limitsOf } from "./limit-fields.tsx";

export function ProjectSettings({
  project,
  plus,
  opened,
  close,
}: {
  project: Project;
  /** One person's own directory: nothing limits it, and nothing deletes it. */
  plus: boolean;
  opened: boolean;
  close: () => void;
}): ReactNode {
  const [, go] = useLocation();
  const initial = useMemo(
    () => ({
      name: project.name,
      description: project.description,
      ...limitForm(project.limits),
    }),
    [project],
  );
  const [form, setForm] = useState(initial);
  // What somebody else changed meanwhile is seen when the dialog is opened, not under one's hands.
  // biome-ignore lint/correctness/useExhaustiveDependencies: on opening alone
  useEffect(() => {
    if (!opened) return;
    setForm(initial);
    setConfirm("");
  }, [opened]);
  const [confirm, setConfirm] = useState("");
  const save = useMutation({
    mutationFn: () =>
      api.projects.update(project.project_id, {
        name: form.name,
        description: form.description,
        limits: limitsOf(form, project.limits),
      }),
    async onSuccess() {
      await queryClient.invalidateQueries({ queryKey: keys.projects });
      notifications.show({ message: "Saved." });
      close();
    },
  });
  const remove = useMutation({
    mutationFn: () => api.projects.remove(project.project_id),
    onSuccess: () => go("/projects"),
  });
  return (
    <Modal opened={opened} onClose={close} title="Project settings" size="lg">
      <form
        className="stack"
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          save.mutate();
        }}
      >
        <ErrorBlock error={save.error ?? remove.error} />
        <TextInput
          label="Name"
          required
          value={form.name}
          onChange={(event) => {
            const { value } = event.currentTarget;
            setForm((now) => ({ ...now, name: value }));
          }}
        />
        <Textarea
          label="Description"
          value={form.description}
          onChange={(event) => {
            const { value } = event.currentTarget;
            setForm((now) => ({ ...now, description: value }));
          }}
        />
        {plus ? null : (
          <div className="row">
            <LimitFields form={form} set={(change) => setForm((now) => ({ ...now, ...change }))} />
          </div>
        )}
        {plus ? null : (
          <p className="dim" style={{ margin: 0 }}>
            Limits take effect at the next start, that of the disk at once.
          </p>
        )}
        <div>
          <Button type="submit" loading={save.isPending}>
            Save
          </Button>
        </div>
      </form>
      {plus ? null : (
        <>
          <h2 style={{ margin: "24px 0 8px" }}>Delete this project</h2>
          <div className="stack">
            <p className="dim" style={{ margin: 0 }}>
              All its files are taken away, and no page leads to its backups any more. To keep it, archive it
              instead: that is under Backups. Type its name to confirm.
            </p>
            <div className="row">
              <TextInput
                aria-label="Name of the project, to confirm"
                value={confirm}
                onChange={(event) => setConfirm(event.currentTarget.value)}
              />
              <Button
                color="red"
                disabled={confirm !== project.name}
                loading={remove.isPending}
                onClick={() => remove.mutate()}
              >
                Delete {visible(project.name)}
              </Button>
            </div>
          </div>
        </>
      )}
    </Modal>
  );
}
