/**
 * Documents of files made into HTML for a sandboxed frame. Nothing here is trusted to be harmless: the frame has no
 * scripts, no origin and no network; what this does is make it readable.
 */
import MarkdownIt from "markdown-it";

const escapes: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
export const escapeText = (text: string) => text.replace(/[&<>"]/g, (char) => escapes[char] ?? char);

/** HTML within Markdown is shown as HTML, as people are used to; see above for why it may. */
const markdown = new MarkdownIt({ html: true, linkify: true });

export function renderMarkdown(text: string): string {
  return markdown.render(text);
}

/** Pictures that lie beside the document, as they are named in it. */
export function localImages(html: string): string[] {
  const found = [...html.matchAll(/<img\b[^>]*?\bsrc="([^"]+)"/gi)].map((match) => match[1] ?? "");
  return [...new Set(found.filter((src) => !/^([a-z][a-z0-9+.-]*:|\/\/|#)/i.test(src)))];
}

export function withImages(html: string, data: ReadonlyMap<string, string>): string {
  return html.replace(
    /(<img\b[^>]*?\bsrc=")([^"]+)(")/gi,
    (all, before: string, src: string, after: string) => {
      const known = data.get(src);
      return known === undefined ? all : before + known + after;
    },
  );
}

interface Output {
  output_type?: unknown;
  text?: unknown;
  data?: Record<string, unknown>;
  ename?: unknown;
  evalue?: unknown;
  traceback?: unknown;
}
interface Cell {
  cell_type?: unknown;
  source?: unknown;
  execution_count?: unknown;
  outputs?: unknown;
}

/** nbformat has text as one string or as a list of lines. */
const textOf = (value: unknown): string =>
  Array.isArray(value) ? value.map(String).join("") : typeof value === "string" ? value : "";
// biome-ignore lint/suspicious/noControlCharactersInRegex: colours of a terminal are made of them
const withoutColours = (text: string) => text.replace(/\u001b\[[0-9;]*[A-Za-z]/g, "");
const pre = (text: string, kind: string) => `<pre class="${kind}">${escapeText(withoutColours(text))}</pre>`;

function renderOutput(output: Output): string {
  if (output.output_type === "stream") return pre(textOf(output.text), "out");
  if (output.output_type === "error") {
    return pre(textOf(output.traceback) || `${String(output.ename)}: ${String(output.evalue)}`, "err");
  }
  const data = output.data ?? {};
  for (const type of ["image/png", "image/jpeg", "image/gif"]) {
    const image = textOf(data[type]).replaceAll(/\s/g, "");
    if (/^[A-Za-z0-9+/=]+$/.test(image)) return `<img alt="" src="data:${type};base64,${image}">`;
  }
  const svg = textOf(data["image/svg+xml"]);
  if (svg !== "") return `<div>${svg}</div>`;
  const html = textOf(data["text/html"]);
  if (html !== "") return `<div class="html">${html}</div>`;
  const md = textOf(data["text/markdown"]);
  if (md !== "") return renderMarkdown(md);
  return pre(textOf(data["text/plain"]), "out");
}

/** Undefined: it is no notebook. */
export function renderNotebook(text: string): { html: string; cells: number } | undefined {
  let cells: unknown;
  try {
    cells = (JSON.parse(text) as { cells?: unknown }).cells;
  } catch {
    return undefined;
  }
  if (!Array.isArray(cells)) return undefined;
  const html = (cells as Cell[]).map((cell) => {
    const source = textOf(cell.source);
    if (cell.cell_type === "markdown") return `<section class="md">${renderMarkdown(source)}</section>`;
    if (cell.cell_type !== "code") return pre(source, "raw");
    const count = typeof cell.execution_count === "number" ? cell.execution_count : " ";
    const outputs = Array.isArray(cell.outputs) ? (cell.outputs as Output[]).map(renderOutput).join("") : "";
    return `<section class="code"><span class="n">[${count}]</span>${pre(source, "in")}${outputs}</section>`;
  });
  return { html: html.join("\n"), cells: cells.length };
}

const STYLE = `:root{color-scheme:light dark}
body{font:14px/1.6 system-ui,sans-serif;margin:0 auto;padding:20px 24px;max-width:52rem;color:var(--t);background:var(--b);overflow-wrap:break-word}
body.light{--t:#1b1e24;--b:#fff;--l:#dcdfe3;--c:#f6f7f9;--a:#1d4eca;--d:#50545b}
body.dark{--t:#e4e6ea;--b:#13151a;--l:#31343a;--c:#0d0e12;--a:#a2c1fe;--d:#c1c4ca}
h1,h2,h3{line-height:1.3;margin:1.4em 0 .5em}h1{font-size:1.5em}h2{font-size:1.25em}h3{font-size:1.1em}
body>:first-child{margin-top:0}a{color:var(--a)}img,svg{max-width:100%;height:auto}
pre,code{font:12.5px/1.5 ui-monospace,monospace}pre{background:var(--c);border:1px solid var(--l);border-radius:6px;padding:8px 10px;overflow:auto;white-space:pre-wrap}
code{background:var(--c);padding:.1em .3em;border-radius:3px}pre code{background:none;padding:0}
table{border-collapse:collapse;display:block;overflow:auto}td,th{border:1px solid var(--l);padding:4px 8px;text-align:left}
blockquote{margin:1em 0;padding-left:12px;border-left:3px solid var(--l);color:var(--d)}hr{border:0;border-top:1px solid var(--l)}
section.code{position:relative;margin:12px 0}section.code .n{font:11px ui-monospace,monospace;color:var(--d)}
pre.in{margin:2px 0 4px}pre.out{background:none;border:0;margin:0}pre.err{border-color:#d02b31;background:none}`;

/** A whole document for `srcdoc`. Links open beside, without a hold on this page. */
export function frameDocument(html: string, dark: boolean): string {
  return `<!doctype html><html><head><meta charset="utf-8"><base target="_blank"><meta name="referrer" content="no-referrer"><style>${STYLE}</style></head><body class="${dark ? "dark" : "light"}">${html}</body></html>`;
}
