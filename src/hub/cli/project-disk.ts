/** A disk limit on the command line. */
import { parseSize } from "../../core/size.ts";

export const diskArg = {
  type: "string",
  valueHint: "SIZE",
  description: "Disk limit, such as 20G; none: no limit",
} as const;

export const diskLimit = (text: string) => (text === "none" ? null : parseSize(text));
