import { Button, Menu } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { Account } from "../../contract/api.ts";
import { api, keys } from "../api.ts";
import { CommandBlock, ErrorBlock, PageHead } from "../components/blocks.tsx";
import { askYesNo } from "../components/dialogs.tsx";
import { ago, plural, visible } from "../components/format.ts";
import { Icon } from "../components/icons.tsx";

export default function PeopleView(): ReactNode {
  const users = useQuery({ queryKey: keys.users, queryFn: api.users.list });
  const invite = useMutation({ mutationFn: (role: "admin" | "user") => api.users.invite(role) });
  return (
    <>
      <PageHead title="People" note={users.data ? plural(users.data.length, "account") : undefined}>
        <Menu>
          <Menu.Target>
            <Button leftSection={<Icon name="plus" />} loading={invite.isPending}>
              Invite somebody
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => invite.mutate("user")}>As a user, who has projects</Menu.Item>
            <Menu.Item onClick={() => invite.mutate("admin")}>As an admin, who runs this hub too</Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </PageHead>
      <div className="body problems">
        <ErrorBlock error={users.error ?? invite.error} />
        {invite.data ? (
          <CommandBlock
            where={`Send this link; it works once, until ${new Date(invite.data.expires_at).toLocaleString()}`}
            command={invite.data.url}
          />
        ) : null}
      </div>
      <table className="list">
        <thead>
          <tr>
            <th>Name</th>
            <th>E-mail address</th>
            <th>Role</th>
            <th>Since</th>
            <th>
              <span className="vh">Action</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {(users.data ?? []).map((account) => (
            <PersonRow key={account.account_id} account={account} />
          ))}
        </tbody>
      </table>
    </>
  );
}

function PersonRow({ account }: { account: Account }): ReactNode {
  const update = useMutation({
    mutationFn: (change: { role?: "admin" | "user"; suspended?: boolean }) =>
      api.users.update(account.account_id, change),
  });
  const suspend = async () => {
    const name = visible(account.name);
    const yes =
      account.suspended ||
      (await askYesNo({
        title: `Suspend ${name}?`,
        text: `${name} is signed out everywhere at once, and API keys stop working. Projects and files stay; what runs goes on.`,
        action: `Suspend ${name}`,
        danger: true,
      }));
    if (yes) update.mutate({ suspended: !account.suspended });
  };
  return (
    <tr>
      <td>
        <bdi>{visible(account.name)}</bdi>
        {update.error ? <ErrorBlock error={update.error} /> : null}
      </td>
      <td>{account.email}</td>
      <td>
        {account.role === "admin" ? "Admin" : "User"}
        {account.suspended ? ", suspended" : ""}
      </td>
      <td>{ago(account.created_at)}</td>
      <td>
        <Menu>
          <Menu.Target>
            <Button variant="default" size="xs" aria-label={`Change ${account.name}`}>
              Change
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => update.mutate({ role: account.role === "admin" ? "user" : "admin" })}>
              {account.role === "admin" ? "Make a user" : "Make an admin"}
            </Menu.Item>
            <Menu.Item color={account.suspended ? "gray" : "red"} onClick={() => void suspend()}>
              {account.suspended ? "Let in again" : "Suspend"}
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      </td>
    </tr>
  );
}
