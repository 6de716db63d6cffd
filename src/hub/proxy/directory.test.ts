import { afterAll, beforeAll, expect, test } from "bun:test";
import { type HubLab, openHubLab } from "../../../test/fixtures/hub-lab.ts";
import type { AppTarget } from "../../contract/apps.ts";
import { CodedError } from "../../core/errors.ts";
import { derivePorts } from "../../core/ports.ts";
import type { Caller } from "../accounts/caller.ts";
import { createPeople } from "../people/people.ts";
import { createDirectory } from "./directory.ts";

let lab: HubLab;
beforeAll(async () => {
  lab = await openHubLab();
});
afterAll(() => lab.remove());

test("a viewer is let to the web servers and apps that are marked, and to nothing else; of files to a part", async () => {
  const people = createPeople(lab);
  const owner = await lab.account("owner");
  const ben = await lab.account("ben");
  const cleo = await lab.account("cleo");
  const host_id = await lab.host("h");
  const { project_id } = await lab.projectService.create(owner, { name: "thesis", host_id });
  await people.add(owner, project_id, ben.email, "viewer");
  await people.setShares(owner, project_id, { paths: ["course"], ports: [8000], apps: ["tensorboard"] });
  const directory = createDirectory({
    projects: lab.projects,
    hosts: lab.hosts,
    accounts: lab.accounts,
    ports: derivePorts(9200),
    isUp: () => true,
  });
  /** The project is stopped: whoever is let in is told that. */
  const IN = "project.not-running";
  const asked = (work: Promise<unknown>) =>
    work.then(
      () => "a way",
      (error: unknown) => (error instanceof CodedError ? error.code : String(error)),
    );
  const answer = (who: Caller, target?: AppTarget) =>
    asked(directory.route(who.account_id, project_id, target));
  expect(await answer(ben, { port: 8000 })).toBe(IN);
  expect(await answer(ben, { app: "tensorboard" })).toBe(IN);
  expect(await answer(ben, { port: 8001 })).toBe("project.role");
  expect(await answer(ben, { app: "jupyterlab" })).toBe("project.role");
  expect(await answer(ben)).toBe("project.role");
  expect(await answer(owner, { app: "jupyterlab" })).toBe(IN);
  expect(await answer(cleo, { app: "tensorboard" })).toBe("project.not-found");
  expect(await asked(directory.filesRoute(ben.account_id, project_id))).toBe(IN);
  expect(await asked(directory.filesRoute(cleo.account_id, project_id))).toBe("project.not-found");
});
