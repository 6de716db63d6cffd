/** How to get into the project over SSH: the exact command, who is let in, and the host key to compare. */
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { ProjectSsh } from "../../contract/api-ssh.ts";
import { urlHost } from "../../core/url-host.ts";
import { api, keys } from "../api.ts";
import { CommandBlock, ErrorBlock, ProblemBlock } from "../components/blocks.tsx";
import { KeyList } from "../components/ssh-keys.tsx";
import type { SectionProps } from "./sections.tsx";

/** As this browser reaches the hub: that name works from here, whatever others there are. */
function hubAddress(told: ProjectSsh): string {
  const here = location.hostname.replace(/^\[|\]$/g, "");
  return here || told.addresses[0] || "localhost";
}

export default function Connect({ project }: SectionProps): ReactNode {
  const { project_id } = project;
  const told = useQuery({
    queryKey: [...keys.ssh, project_id],
    queryFn: () => api.ssh.project(project_id),
  });
  return (
    <div className="people stack" style={{ gap: 28 }}>
      <ErrorBlock error={told.error} />
      {told.data ? <Ways told={told.data} projectId={project_id} /> : null}
    </div>
  );
}

function Ways({ told, projectId }: { told: ProjectSsh; projectId: string }): ReactNode {
  const { gateway, user } = told;
  if (gateway === null) return <p>The project is on no host yet.</p>;
  const address = hubAddress(told);
  const plain = urlHost(address);
  const port = gateway.port;
  return (
    <>
      {gateway.listening ? null : (
        <ProblemBlock
          tone="warn"
          problem={{
            code: "ssh.not-listening",
            title: `The SSH gateway of ${gateway.host_name} is not known to listen`,
            why: "The host has not said so: it is away, or another program holds its port.",
            fix: "An admin sees more on the Health page.",
          }}
        />
      )}
      <Accepted told={told} />
      <section className="stack" aria-label="Commands">
        <h2>Connect over SSH</h2>
        <CommandBlock where="A shell" command={`ssh -p ${port} ${user}@${address}`} prompt />
        <CommandBlock
          where="Visual Studio Code (with Remote-SSH)"
          command={`code --remote ssh-remote+${user}@${plain}:${port} /home/user`}
          prompt
        />
        <CommandBlock
          where="Copy a folder here (scp)"
          command={`scp -P ${port} -r folder ${user}@${plain}:`}
          prompt
        />
        <CommandBlock
          where="Keep a folder in step (rsync)"
          command={`rsync -av -e 'ssh -p ${port}' folder/ ${user}@${plain}:folder/`}
          prompt
        />
        {told.jump ? (
          <CommandBlock
            where={`Where port ${port} is blocked: through the hub's own SSH port, ${told.jump.port}`}
            command={`ssh -J ${told.jump.user}@${plain}:${told.jump.port} -p ${port} ${user}@127.0.0.1`}
            prompt
          />
        ) : null}
        <CommandBlock
          where="All your projects by name, in ~/.ssh/config (with COCALC_URL and COCALC_API_KEY)"
          command="cocalc-hub ssh-config"
          prompt
        />
      </section>
      <section className="stack" aria-label="Host key">
        <h2>Host key</h2>
        <p className="dim" style={{ margin: 0 }}>
          At the first connection ssh shows a fingerprint. It must be this one.
        </p>
        {gateway.fingerprint === null ? (
          <p>The host has not told its key yet.</p>
        ) : (
          <CommandBlock where={`ED25519, of ${gateway.host_name}`} command={gateway.fingerprint} />
        )}
        {told.jump ? (
          <CommandBlock where="ED25519, of the hub's own SSH port" command={told.jump.fingerprint} />
        ) : null}
      </section>
      <KeyList
        title="Keys of this project"
        note="Whoever has one of these gets a shell here, without an account: for machines and scripts. ~/.ssh/authorized_keys in the project counts as well."
        keys={told.project_keys}
        add={(key, name) => api.ssh.addProjectKey(projectId, { key, name })}
        remove={(id) => api.ssh.removeProjectKey(projectId, id)}
      />
    </>
  );
}

function Accepted({ told }: { told: ProjectSsh }): ReactNode {
  const count = told.your_keys.length;
  return (
    <KeyList
      title="Your keys"
      note={
        count === 0
          ? "None yet: nobody can log in as you. Add the public half of a key; it is accepted in all your projects."
          : `${count === 1 ? "This key is" : "Each of these keys is"} accepted here and in all your projects.`
      }
      keys={told.your_keys}
      add={(key, name) => api.ssh.addKey({ key, name })}
      remove={(id) => api.ssh.removeKey(id)}
    />
  );
}
