/** What install.sh printed, as a cause and a fix. Pure. */
import { EX, type ProblemDetails } from "../../core/errors.ts";
import type { Target } from "./target.ts";

const clean = (line: string) => line.replace(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, "").trim();

/** A line worth showing while it runs; undefined for one that says nothing to a person. */
export function progressOf(line: string): string | undefined {
  const text = clean(line);
  const step = /^\[[a-z]+\] (.+)$/.exec(text)?.[1];
  if (step) return step.slice(0, 200);
  return /^(waiting for|signature and|paired:|this machine is|checking this machine)/.test(text)
    ? text.slice(0, 200)
    : undefined;
}

/** Of a run that ended with `status` other than 0. */
export function installerProblem(lines: readonly string[], status: number, target: Target): ProblemDetails {
  const said = lines.map(clean);
  const bad: string[] = [];
  const fixes: string[] = [];
  for (const [at, line] of said.entries()) {
    if (!line.startsWith("BAD ")) continue;
    bad.push(line.slice(4).trim());
    const fix = /^fix: (.+)$/.exec(said[at + 1] ?? "")?.[1];
    if (fix) fixes.push(fix);
  }
  const common = { status: 409, exit: EX.CONFIG };
  if (bad.length > 0) {
    return {
      code: "machine.not-ready",
      title: `${target.host} is not ready to be a host; nothing was changed on it`,
      why: bad.join("; "),
      fix: fixes.join(" ") || "See above, then try again.",
      ...common,
    };
  }
  if (said.some((line) => /Could not get lock|held by process/.test(line))) {
    const holder = said.find((line) => line.startsWith("waiting for another package manager"));
    return {
      code: "machine.apt-busy",
      title: `Another package manager on ${target.host} did not end within ten minutes`,
      why: holder ?? said.find((line) => /Could not get lock/.test(line)) ?? "",
      fix: "Wait until it is done (unattended upgrades take their time), or end it; then try again.",
      ...common,
    };
  }
  // The last word is the cause, whether the installer's own or that of a program of ours (`title  [code]`).
  const at = said.findLastIndex((line) => line.startsWith("error: "));
  const after = at < 0 ? [] : said.slice(at + 1, at + 5);
  const told = (name: string) => after.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
  const error = at < 0 ? undefined : said[at]?.slice(7);
  const why = told("why");
  return {
    code: "machine.install-failed",
    title: `The installer on ${target.host} ended with status ${status}`,
    why:
      error === undefined
        ? said
            .filter((line) => line !== "")
            .slice(-3)
            .join("; ") || "It said nothing."
        : why === undefined
          ? error
          : `${error}: ${why}`,
    fix: told("fix") ?? "See why, then try again: it goes on where it was.",
    ...common,
  };
}
