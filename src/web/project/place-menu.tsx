/** Where a project is: moved to another host, copied as a second one, put away into the repository and brought back. */
import { Button, Menu, Modal, NativeSelect, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import type { Me, Operation, Project } from "../../contract/api.ts";
import { api, keys } from "../api.ts";
import { ErrorBlock } from "../components/blocks.tsx";
import { visible } from "../components/format.ts";

type Action = "move" | "clone" | "archive";
const TITLES: Record<Action, string> = {
  move: "Move to another host",
  clone: "Make a second project with its files",
  archive: "Archive it",
};
const TEXTS: Record<Action, string> = {
  move: "It is stopped and backed up, comes back on the other host, is compared with its backup there, and runs again if it ran. Only then its old place is emptied.",
  clone:
    "It is backed up, and what is in the backup becomes a project of its own. This one goes on as it is.",
  archive:
    "It is stopped and backed up; then its place on the host is emptied. All of it is in the repository alone until it is brought back.",
};

/** Hosts to choose from; an admin alone may see them. */
function useHosts(me: Me) {
  return useQuery({ queryKey: keys.hosts, queryFn: api.hosts.list, enabled: me.role === "admin" });
}

export function PlaceMenu({
  project,
  me,
  onStarted,
}: {
  project: Project;
  me: Me;
  onStarted: (operation: Operation) => void;
}): ReactNode {
  const [action, choose] = useState<Action>();
  const owner = project.role === "owner";
  const actions: Action[] = [
    ...(owner && me.role === "admin" ? (["move"] as const) : []),
    "clone",
    ...(owner ? (["archive"] as const) : []),
  ];
  return (
    <>
      <Menu position="bottom-end">
        <Menu.Target>
          <Button variant="default">{owner ? "Move, clone, archive" : "Clone"}</Button>
        </Menu.Target>
        <Menu.Dropdown>
          {actions.map((one) => (
            <Menu.Item key={one} onClick={() => choose(one)}>
              {TITLES[one]}
            </Menu.Item>
          ))}
        </Menu.Dropdown>
      </Menu>
      {action ? (
        <PlaceDialog
          key={action}
          action={action}
          project={project}
          me={me}
          close={() => choose(undefined)}
          onStarted={onStarted}
        />
      ) : null}
    </>
  );
}

function PlaceDialog({
  action,
  project,
  me,
  close,
  onStarted,
}: {
  action: Action;
  project: Project;
  me: Me;
  close: () => void;
  onStarted: (operation: Operation) => void;
}): ReactNode {
  const hosts = useHosts(me);
  const others = (hosts.data ?? []).filter(
    (one) => one.host_id !== project.host_id && (one.state === "ready" || one.state === "degraded"),
  );
  const [picked, pick] = useState<string>();
  const [name, setName] = useState(`${project.name} copy`);
  const to = picked ?? others[0]?.host_id;
  const [said, say] = useState({ fromBackup: false, otherSystem: false });
  const go = useMutation({
    mutationFn: async () => {
      if (action === "move") return await api.backups.move(project.project_id, to ?? "", said);
      if (action === "clone") return await api.backups.clone(project.project_id, name);
      return await api.backups.archive(project.project_id);
    },
    onSuccess(started) {
      close();
      onStarted(started);
    },
    onError(error) {
      const { code } = error as { code?: string };
      if (code === "move.host-away") say((before) => ({ ...before, fromBackup: true }));
      if (code === "move.other-system") say((before) => ({ ...before, otherSystem: true }));
    },
  });
  // What was said yes to is of one destination.
  const choose = (host: string) => {
    pick(host);
    say({ fromBackup: false, otherSystem: false });
    go.reset();
  };
  const asked = go.error && (said.fromBackup || said.otherSystem);
  return (
    <Modal opened onClose={close} title={TITLES[action]}>
      <form
        className="stack"
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          go.mutate();
        }}
      >
        <p style={{ margin: 0 }}>{TEXTS[action]}</p>
        {action === "move" ? (
          others.length === 0 && hosts.isSuccess ? (
            <p className="dim">There is no other host that is ready.</p>
          ) : (
            <NativeSelect
              label="To"
              value={to ?? ""}
              data={others.map((one) => ({ value: one.host_id, label: visible(one.name) }))}
              onChange={(event) => choose(event.currentTarget.value)}
            />
          )
        ) : null}
        {action === "clone" ? (
          <TextInput
            label="Its name"
            required
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
        ) : null}
        <ErrorBlock error={go.error} />
        <div>
          <Button
            type="submit"
            color={asked || action === "archive" ? "red" : undefined}
            loading={go.isPending}
            disabled={action === "move" && to === undefined}
            data-autofocus
          >
            {asked
              ? said.fromBackup
                ? "Move what that backup has"
                : "Move it all the same"
              : TITLES[action]}
          </Button>
        </div>
      </form>
    </Modal>
  );
}

/** On the page of one that is in the repository alone. */
export function BringBack({ project }: { project: Project }): ReactNode {
  const [otherSystem, setOther] = useState(false);
  const back = useMutation({
    mutationFn: () => api.backups.unarchive(project.project_id, { otherSystem }),
    onError: (error) => setOther((error as { code?: string }).code === "move.other-system"),
  });
  return (
    <div className="stack">
      <h2>This project is archived</h2>
      <p className="dim" style={{ margin: 0 }}>
        All of it is in the backup repository, and on no host.{" "}
        {project.role === "owner" ? "It can be brought back as it was." : "Its owner can bring it back."}
      </p>
      <ErrorBlock error={back.error} />
      {project.role === "owner" ? (
        <div>
          <Button onClick={() => back.mutate()} loading={back.isPending || back.isSuccess}>
            {otherSystem ? "Bring it back all the same" : "Bring it back"}
          </Button>
        </div>
      ) : null}
    </div>
  );
}
