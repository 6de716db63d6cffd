import { Button, Select, TextInput } from "@mantine/core";
import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import type { Setting } from "../../contract/api.ts";
import { api, keys, queryClient } from "../api.ts";
import { ErrorBlock, PageHead } from "../components/blocks.tsx";

const LABELS: Record<string, string> = {
  hub_name: "Name of this hub",
  public_host: "Public name or address",
  lan: "Private networks",
  apps_wildcard: "Wildcard name for project pages",
  app_links: "Links to apps for anyone",
  project_links: "Links into projects",
  dangerous_process_runtime: "Projects without containers (dangerous)",
  default_memory_mb: "Memory of a new project, MiB",
  default_cpus: "CPUs of a new project",
  default_disk_gb: "Disk of a new project, GiB",
  max_memory_mb: "Most memory that an owner may give, MiB",
  max_cpus: "Most CPUs that an owner may give",
  max_disk_gb: "Most disk that an owner may give, GiB",
};

/** `apps_wildcard` reads “Apps wildcard” until somebody finds better words. */
const labelOf = (key: string) => {
  const words = key.replaceAll("_", " ");
  return LABELS[key] ?? words.charAt(0).toUpperCase() + words.slice(1);
};

export default function SettingsView(): ReactNode {
  const settings = useQuery({ queryKey: keys.settings, queryFn: api.settings.list });
  const all = settings.data ?? [];
  return (
    <>
      <PageHead title="Settings" />
      <div className="body" style={{ maxWidth: 720 }}>
        <ErrorBlock error={settings.error} />
        <div className="stack">
          {all
            .filter((one) => one.editable)
            .map((one) => (
              <SettingField key={one.key} setting={one} />
            ))}
        </div>
        <h2 style={{ padding: "24px 0 8px" }}>Read when the hub starts</h2>
        <table className="list flush">
          <thead>
            <tr>
              <th>Key</th>
              <th>Value</th>
              <th>From</th>
            </tr>
          </thead>
          <tbody>
            {all
              .filter((one) => !one.editable)
              .map((one) => (
                <tr key={one.key}>
                  <td>
                    <span className="mono">{one.key}</span>
                    <div className="sub">{one.description}</div>
                  </td>
                  <td>{String(one.value ?? "not set")}</td>
                  <td>{one.source}</td>
                </tr>
              ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function SettingField({ setting }: { setting: Setting }): ReactNode {
  const [value, setValue] = useState(String(setting.value ?? ""));
  const save = useMutation({
    mutationFn: () =>
      api.settings.set({ [setting.key]: typeof setting.default === "number" ? Number(value) : value }),
    onSuccess: (all) => queryClient.setQueryData(keys.settings, all),
  });
  const description = `${setting.description} (${setting.source === "default" ? "as it came" : `from the ${setting.source}`})`;
  const changed = value !== String(setting.value ?? "");
  return (
    <form
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        save.mutate();
      }}
    >
      <div className="row" style={{ alignItems: "flex-end" }}>
        {setting.choices ? (
          <Select
            style={{ flex: 1 }}
            label={labelOf(setting.key)}
            description={description}
            data={setting.choices}
            allowDeselect={false}
            value={value}
            onChange={(chosen) => setValue(chosen ?? value)}
          />
        ) : (
          <TextInput
            style={{ flex: 1 }}
            label={labelOf(setting.key)}
            description={description}
            value={value}
            inputMode={typeof setting.default === "number" ? "decimal" : "text"}
            onChange={(event) => setValue(event.currentTarget.value)}
          />
        )}
        <Button type="submit" variant="default" disabled={!changed} loading={save.isPending}>
          Save
        </Button>
      </div>
      <ErrorBlock error={save.error} />
    </form>
  );
}
