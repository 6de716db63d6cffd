import { z } from "zod";

/** Relative to the home, or absolute; text of path-bytes.ts. */
export const pathSchema = z
  .string()
  .max(4096)
  .refine((text) => !text.includes("\0"), "a path holds no NUL");
