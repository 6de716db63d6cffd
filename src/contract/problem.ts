import { z } from "zod";

/** `application/problem+json` (RFC 9457) as every part of the system sends it; mirrors core's ProblemDetails. */
export const problemSchema = z.object({
  code: z.string(),
  title: z.string(),
  why: z.string().optional(),
  fix: z.string().optional(),
  command: z.string().optional(),
  status: z.number().int().optional(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
});

export type Problem = z.infer<typeof problemSchema>;
