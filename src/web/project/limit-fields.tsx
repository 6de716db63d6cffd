/** The limits of a project as a form has them; an empty disk field is no limit. */
import { NumberInput } from "@mantine/core";
import type { ReactNode } from "react";
import type { Limits } from "../../contract/api.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

export interface LimitForm {
  memory: number;
  cpus: number;
  pids: number;
  disk: number | "";
}

export const limitForm = (limits: Limits): LimitForm => ({
  memory: limits.memory_bytes / MIB,
  cpus: limits.cpus,
  pids: limits.pids,
  disk: limits.disk_bytes ? Math.round((limits.disk_bytes / GIB) * 100) / 100 : "",
});

/** A disk limit that was only looked at stays what it is to the byte. */
export function limitsOf(form: LimitForm, before: Limits): Partial<Limits> {
  const same = form.disk === limitForm(before).disk;
  return {
    memory_bytes: Math.round(form.memory * MIB),
    cpus: form.cpus,
    pids: form.pids,
    ...(same ? {} : { disk_bytes: form.disk === "" ? null : Math.round(form.disk * GIB) }),
  };
}

export function LimitFields({
  form,
  set,
}: {
  form: LimitForm;
  set: (change: Partial<LimitForm>) => void;
}): ReactNode {
  return (
    <>
      <NumberInput
        label="Memory, MiB"
        min={64}
        value={form.memory}
        onChange={(value) => set({ memory: Number(value) })}
        style={{ flex: "1 1 130px" }}
      />
      <NumberInput
        label="CPUs"
        min={0.1}
        step={0.5}
        value={form.cpus}
        onChange={(value) => set({ cpus: Number(value) })}
        style={{ flex: "1 1 100px" }}
      />
      <NumberInput
        label="Processes"
        min={16}
        value={form.pids}
        onChange={(value) => set({ pids: Number(value) })}
        style={{ flex: "1 1 110px" }}
      />
      <NumberInput
        label="Disk, GiB"
        placeholder="no limit"
        min={0.07}
        step={1}
        decimalScale={2}
        value={form.disk}
        onChange={(value) => set({ disk: value === "" ? "" : Number(value) })}
        style={{ flex: "1 1 110px" }}
      />
    </>
  );
}
