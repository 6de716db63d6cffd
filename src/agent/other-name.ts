/** Where something of that name is already. */
import { CodedError } from "../core/errors.ts";
import { folderOf, joinPath, nameOf } from "./paths.ts";

export function existsAlready(path: string): CodedError {
  return new CodedError({
    code: "file.exists",
    title: `There is something of that name already: ${path.slice(0, 300)}`,
    why: "Nothing was written over it.",
    fix: "Replace it, keep both, or choose another name.",
    status: 409,
  });
}

/** `report.csv` → `report (2).csv`; a name that begins with a dot keeps all of it in front. */
export function otherName(path: string, number: number): string {
  const name = nameOf(path);
  const at = name.lastIndexOf(".");
  const [stem, ending] = at > 0 ? [name.slice(0, at), name.slice(at)] : [name, ""];
  return joinPath(folderOf(path), `${stem} (${number})${ending}`);
}
