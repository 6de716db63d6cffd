/** A failure as a page of its own, where there is no UI around: hub and host show the same. All text is escaped. */
import type { ProblemDetails } from "../core/errors.ts";

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

export interface PageLink {
  href: string;
  label: string;
}

const STYLE = `body{font:16px/1.5 Inter,system-ui,sans-serif;margin:0;display:grid;place-items:center;min-height:100vh;background:#f7f8fa;color:#1c2024}
main{max-width:34rem;padding:2rem;margin:1rem;background:#fff;border:1px solid #e3e6ea;border-radius:12px}
h1{font-size:1.25rem;margin:0 0 .75rem}p{margin:.5rem 0}code{background:#f0f2f5;padding:.1em .35em;border-radius:4px}
small{color:#6b7280}a{color:#1a5fb4}@media(prefers-color-scheme:dark){body{background:#111418;color:#e6e8eb}main{background:#181c21;border-color:#2a3038}code{background:#232930}a{color:#78aeed}}`;

export function problemPage(problem: ProblemDetails, links: PageLink[] = []): string {
  const text = (value: string | undefined, wrap: (html: string) => string) =>
    value ? wrap(escapeHtml(value)) : "";
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(problem.title)}</title><style>${STYLE}</style></head><body><main>
<h1>${escapeHtml(problem.title)}</h1>
${text(problem.why, (html) => `<p>${html}</p>`)}
${text(problem.fix, (html) => `<p><strong>What to do:</strong> ${html}</p>`)}
${text(problem.command, (html) => `<p><code>${html}</code></p>`)}
${links.map((link) => `<p><a href="${escapeHtml(link.href)}">${escapeHtml(link.label)}</a></p>`).join("\n")}
<p><small>${escapeHtml(problem.code)}</small></p></main></body></html>`;
}

/** Headers and body for whoever asked: a page for a navigation, problem+json for a script. */
export function renderProblem(
  problem: ProblemDetails,
  wantsPage: boolean,
  links: PageLink[] = [],
): { status: number; headers: Record<string, string>; body: string } {
  const status = problem.status ?? 502;
  const common = { "cache-control": "no-store", "x-content-type-options": "nosniff" };
  if (!wantsPage) {
    const { exit: _exit, ...visible } = problem;
    return {
      status,
      headers: { ...common, "content-type": "application/problem+json" },
      body: JSON.stringify(visible),
    };
  }
  return {
    status,
    headers: {
      ...common,
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    },
    body: problemPage(problem, links),
  };
}

/** Whether a person looks at the answer. */
export function wantsPage(headers: Record<string, string | string[] | undefined>): boolean {
  const mode = headers["sec-fetch-mode"];
  if (typeof mode === "string") return mode === "navigate";
  return String(headers.accept ?? "").includes("text/html");
}
