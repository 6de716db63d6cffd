/** Who is in the project, what viewers see of it, and the ways in. */
import { Button, Menu, Select, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { useLocation } from "wouter";
import type { GivenRole, Person, Shares } from "../../contract/api-people.ts";
import { api, keys, queryClient } from "../api.ts";
import { CommandBlock, ErrorBlock } from "../components/blocks.tsx";
import { askYesNo } from "../components/dialogs.tsx";
import { Face, wayOf } from "../components/faces.tsx";
import { visible } from "../components/format.ts";
import { type Someone, usePresence } from "../presence.ts";
import type { SectionProps } from "./sections.tsx";

const ROLES: { value: GivenRole; label: string }[] = [
  { value: "collaborator", label: "Collaborator: files, terminals, apps" },
  { value: "viewer", label: "Viewer: reads what you mark" },
];
const WORDS = { owner: "Owner", collaborator: "Collaborator", viewer: "Viewer" };

export default function PeopleSection({ project, me }: SectionProps): ReactNode {
  const id = project.project_id;
  const people = useQuery({ queryKey: keys.peopleOf(id), queryFn: () => api.people.list(id) });
  const here = usePresence(id);
  const keysHere = here.filter(
    (one) => people.data?.every((person) => person.account_id !== one.account_id) ?? false,
  );
  const owner = project.role === "owner";
  return (
    <div className="people stack" style={{ gap: 28 }}>
      <section className="stack" aria-label="People">
        <h2>People</h2>
        <ErrorBlock error={people.error} />
        <table className="list">
          <tbody>
            {(people.data ?? []).map((person) => (
              <PersonRow
                key={person.account_id}
                person={person}
                projectId={id}
                owner={owner}
                self={person.account_id === me.account_id}
                here={here.find((one) => one.account_id === person.account_id)}
              />
            ))}
          </tbody>
        </table>
        {keysHere.length > 0 ? (
          <p className="dim">
            Here now over SSH, by a key that is nobody's account:{" "}
            <bdi>{keysHere.map((one) => visible(one.name)).join(", ")}</bdi>.
          </p>
        ) : null}
      </section>
      {owner ? <Add projectId={id} /> : null}
      {owner ? <Links projectId={id} /> : null}
      {project.role === "viewer" ? null : <ViewersSee projectId={id} owner={owner} />}
    </div>
  );
}

function PersonRow({
  person,
  projectId,
  owner,
  self,
  here,
}: {
  person: Person;
  projectId: string;
  owner: boolean;
  self: boolean;
  here: Someone | undefined;
}): ReactNode {
  const [, go] = useLocation();
  const name = visible(person.name);
  const act = useMutation({
    async mutationFn(what: GivenRole | "remove" | "transfer") {
      if (what === "remove") await api.people.remove(projectId, person.account_id);
      else if (what === "transfer") await api.people.transfer(projectId, person.account_id);
      else await api.people.setRole(projectId, person.account_id, what);
    },
    async onSuccess(_, what) {
      if (what === "remove" && self) go("/projects");
      await queryClient.invalidateQueries({ queryKey: keys.projects });
      await queryClient.invalidateQueries({ queryKey: keys.peopleOf(projectId) });
    },
  });
  const ask = async (what: "remove" | "transfer") => {
    const yes = await askYesNo(
      what === "transfer"
        ? {
            title: `Give the project to ${name}?`,
            text: `${name} becomes its owner; you stay as a collaborator, and cannot take it back yourself.`,
            action: `Give it to ${name}`,
            danger: true,
          }
        : self
          ? {
              title: "Leave this project?",
              text: "Its files stay as they are. To come back, its owner must invite you again.",
              action: "Leave",
              danger: true,
            }
          : {
              title: `Remove ${name}?`,
              text: `${name}'s terminals, pages and connections to it end at once. Files stay.`,
              action: `Remove ${name}`,
              danger: true,
            },
    );
    if (yes) act.mutate(what);
  };
  const mayChange = owner && person.role !== "owner";
  return (
    <tr>
      <td>
        <span className="member">
          <Face id={person.account_id} name={person.name} />
          <span>
            <bdi>{name}</bdi>
            {self ? <span className="dim"> (you)</span> : null}
            {here && !self ? <span className="dim">, here now{wayOf(here)}</span> : null}
            {person.email ? <div className="sub">{person.email}</div> : null}
            <ErrorBlock error={act.error} />
          </span>
        </span>
      </td>
      <td>{WORDS[person.role]}</td>
      <td>
        {mayChange ? (
          <Menu>
            <Menu.Target>
              <Button variant="default" size="xs" loading={act.isPending} aria-label={`Change ${name}`}>
                Change
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              {ROLES.filter((one) => one.value !== person.role).map((one) => (
                <Menu.Item key={one.value} onClick={() => act.mutate(one.value)}>
                  Make a {one.value}
                </Menu.Item>
              ))}
              <Menu.Item onClick={() => void ask("transfer")}>Give the project to {name}</Menu.Item>
              <Menu.Item color="red" onClick={() => void ask("remove")}>
                Remove
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
        ) : self && person.role !== "owner" ? (
          <Button variant="default" size="xs" loading={act.isPending} onClick={() => void ask("remove")}>
            Leave
          </Button>
        ) : null}
      </td>
    </tr>
  );
}

function RoleSelect({ value, set }: { value: GivenRole; set: (role: GivenRole) => void }): ReactNode {
  return (
    <Select
      label="As"
      allowDeselect={false}
      data={ROLES}
      value={value}
      onChange={(next) => set(next === "viewer" ? "viewer" : "collaborator")}
      style={{ flex: "1 1 220px" }}
    />
  );
}

function Add({ projectId }: { projectId: string }): ReactNode {
  const [who, setWho] = useState("");
  const [role, setRole] = useState<GivenRole>("collaborator");
  const add = useMutation({
    mutationFn: () => api.people.add(projectId, who.trim(), role),
    async onSuccess() {
      setWho("");
      await queryClient.invalidateQueries({ queryKey: keys.peopleOf(projectId) });
    },
  });
  return (
    <section className="stack" aria-label="Add somebody">
      <h2>Add somebody who has an account</h2>
      <ErrorBlock error={add.error} />
      <form
        className="row"
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          add.mutate();
        }}
      >
        <TextInput
          label="E-mail address or name"
          required
          value={who}
          onChange={(event) => setWho(event.currentTarget.value)}
          style={{ flex: "1 1 220px" }}
        />
        <RoleSelect value={role} set={setRole} />
        <Button type="submit" loading={add.isPending}>
          Add
        </Button>
      </form>
    </section>
  );
}

function Links({ projectId }: { projectId: string }): ReactNode {
  const [role, setRole] = useState<GivenRole>("collaborator");
  const key = [...keys.peopleOf(projectId), "links"];
  const links = useQuery({ queryKey: key, queryFn: () => api.people.invitations(projectId) });
  const again = () => queryClient.invalidateQueries({ queryKey: key });
  const make = useMutation({ mutationFn: () => api.people.invite(projectId, role), onSuccess: again });
  const revoke = useMutation({
    mutationFn: (invitation: string) => api.people.revoke(projectId, invitation),
    async onSuccess(_, invitation) {
      if (make.data?.invitation_id === invitation) make.reset();
      await again();
    },
  });
  return (
    <section className="stack" aria-label="Invitation links">
      <h2>Invite by a link</h2>
      <p className="dim" style={{ margin: 0 }}>
        It lets in one person, who can make an account with it.
      </p>
      <ErrorBlock error={links.error ?? make.error ?? revoke.error} />
      {make.data ? (
        <CommandBlock
          where={`Shown this once; it works once, until ${new Date(make.data.expires_at).toLocaleString()}`}
          command={make.data.url}
        />
      ) : null}
      <form
        className="row"
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          make.mutate();
        }}
      >
        <RoleSelect value={role} set={setRole} />
        <Button type="submit" variant="default" loading={make.isPending}>
          Make a link
        </Button>
      </form>
      {(links.data ?? []).map((one) => (
        <div key={one.invitation_id} className="row">
          <span style={{ flex: 1 }}>
            For a {one.role} <span className="dim">until {new Date(one.expires_at).toLocaleString()}</span>
          </span>
          <Button variant="subtle" color="red" size="xs" onClick={() => revoke.mutate(one.invitation_id)}>
            Take it back
          </Button>
        </div>
      ))}
    </section>
  );
}

const lines = (text: string) =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);

function ViewersSee({ projectId, owner }: { projectId: string; owner: boolean }): ReactNode {
  const key = [...keys.peopleOf(projectId), "shares"];
  const shares = useQuery({ queryKey: key, queryFn: () => api.people.shares(projectId) });
  const [edited, setEdited] = useState<{ paths: string; ports: string; apps: string }>();
  const text = (now: Shares | undefined) => ({
    paths: now?.paths.join(", ") ?? "",
    ports: now?.ports.join(", ") ?? "",
    apps: now?.apps.join(", ") ?? "",
  });
  const shown = edited ?? text(shares.data);
  const save = useMutation({
    mutationFn: () =>
      api.people.setShares(projectId, {
        paths: lines(shown.paths.replaceAll(",", "\n")),
        ports: lines(shown.ports.replaceAll(",", "\n")).map(Number),
        apps: lines(shown.apps.replaceAll(",", "\n")),
      }),
    async onSuccess() {
      setEdited(undefined);
      await queryClient.invalidateQueries({ queryKey: key });
    },
  });
  if (!owner) {
    const { paths, ports, apps } = shown;
    return (
      <section className="stack" aria-label="What viewers see">
        <h2>What viewers see</h2>
        <p className="dim" style={{ margin: 0 }}>
          {paths || ports || apps
            ? [paths, ports && `web servers on port ${ports}`, apps && `the apps ${apps}`]
                .filter(Boolean)
                .join("; ")
            : "Nothing is marked yet."}
        </p>
      </section>
    );
  }
  return (
    <section className="stack" aria-label="What viewers see">
      <h2>What viewers see</h2>
      <p className="dim" style={{ margin: 0 }}>
        Viewers read these and nothing else. They have no terminal and change nothing.
      </p>
      <ErrorBlock error={shares.error ?? save.error} />
      <form
        className="row"
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          save.mutate();
        }}
      >
        <TextInput
          label="Folders and files"
          description="From your home folder, with commas between; a dot for all of it"
          value={shown.paths}
          onChange={(event) => setEdited({ ...shown, paths: event.currentTarget.value })}
          style={{ flex: "2 1 260px" }}
        />
        <TextInput
          label="Web servers"
          description="Ports, with commas between"
          value={shown.ports}
          onChange={(event) => setEdited({ ...shown, ports: event.currentTarget.value })}
          style={{ flex: "1 1 160px" }}
        />
        <TextInput
          label="Apps"
          description="Names, with commas between; whoever may open one may do what it can"
          value={shown.apps}
          onChange={(event) => setEdited({ ...shown, apps: event.currentTarget.value })}
          style={{ flex: "1 1 260px" }}
        />
        <Button type="submit" variant="default" disabled={edited === undefined} loading={save.isPending}>
          Save
        </Button>
      </form>
    </section>
  );
}
