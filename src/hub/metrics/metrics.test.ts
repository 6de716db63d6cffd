import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type HubLab, openHubLab } from "../../../test/fixtures/hub-lab.ts";
import { LOCAL_ADMIN } from "../accounts/caller.ts";

let lab: HubLab;
beforeAll(async () => {
  lab = await openHubLab();
});
afterAll(() => lab.remove());

describe("metrics", () => {
  const scrape = async () => {
    const response = await lab.api.fetch(new Request("http://localhost:31003/api/metrics"), {
      caller: LOCAL_ADMIN,
      secure: false,
      address: "local",
    });
    return { type: response.headers.get("content-type") ?? "", text: await response.text() };
  };

  test("hosts and projects as they are now, in OpenMetrics text that ends with its mark", async () => {
    const id = await lab.host('am"ber', 8e9);
    const ada = await lab.account("ada");
    await lab.projectService.create(ada, { name: "one" });
    const { type, text } = await scrape();
    expect(type).toContain("application/openmetrics-text");
    expect(text).toContain(`cocalc_host_state{host_id="${id}",host="am\\"ber",state="ready"} 1`);
    expect(text).toContain(
      `cocalc_host_memory_bytes{host_id="${id}",host="am\\"ber",kind="total"} 8000000000`,
    );
    expect(text).toContain('cocalc_projects{state="stopped"} 1');
    expect(text.endsWith("# EOF\n")).toBe(true);
    await lab.projectService.create(ada, { name: "two" });
    expect((await scrape()).text).toContain('cocalc_projects{state="stopped"} 2');
  });

  test("backups: the age of what is proven, drills, room, findings, alarms", async () => {
    const ada = await lab.account("backed");
    const id = await lab.projectService.create(ada, { name: "used" });
    const at = new Date(Date.now() - 7_200_000).toISOString();
    await lab.db
      .updateTable("projects")
      .set({ last_used_at: at, created_at: at })
      .where("project_id", "=", typeof id === "string" ? id : id.project_id)
      .execute();
    const { text } = await scrape();
    const age = /cocalc_backup_proven_age_seconds\{project_id="[^"]+",project="used"\} ([\d.]+)/.exec(
      text,
    )?.[1];
    expect(Number(age)).toBeGreaterThan(7_190);
    // Never drilled is no figure at all: 0 would say just now.
    expect(text).not.toMatch(/^cocalc_backup_drill_age_seconds \d/m);
    expect(text).not.toMatch(/^cocalc_backup_hub_age_seconds \d/m);
    expect(text).toMatch(/^cocalc_backup_alarms\{severity="warn"\} \d/m);
    const drill = { backup_id: "b", project_id: "p", project_name: "used", host_id: "h", files: 1 };
    await lab.db
      .insertInto("backup_drills")
      .values({ ...drill, drill_id: "d", state: "passed", started_at: at, finished_at: at, problem: null })
      .execute();
    const drilled = /^cocalc_backup_drill_age_seconds ([\d.]+)/m.exec((await scrape()).text)?.[1];
    expect(Number(drilled)).toBeGreaterThan(7_190);
  });

  test("for admins alone", async () => {
    expect((await lab.call(await lab.account("eve"), "GET", "/api/metrics")).status).toBe(403);
    expect((await lab.call(null, "GET", "/api/metrics")).status).toBe(401);
  });
});
