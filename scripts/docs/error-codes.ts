/** Finds every coded error in the source: what a person may be shown, and what to do about it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "@babel/parser";
import { Glob } from "bun";

export interface ErrorCode {
  code: string;
  title: string;
  fix: string;
  file: string;
}

interface Node {
  type: string;
  [key: string]: unknown;
}

const CODE = /^[a-z][a-z0-9-]*(\.[a-z0-9-]+)+$/;

/** A literal as a person reads it; what is filled in when it happens stands as `…`. */
function textOf(value: unknown): string | undefined {
  const node = value as Node | undefined;
  if (node?.type === "StringLiteral") return String(node.value);
  if (node?.type === "TemplateLiteral") {
    const quasis = node.quasis as { value: { cooked: string } }[];
    return quasis.map((one) => one.value.cooked).join("…");
  }
  // Which of two it is depends on the moment; the first stands for both.
  if (node?.type === "ConditionalExpression") return textOf(node.consequent) ?? textOf(node.alternate);
  return undefined;
}

function inObject(node: Node): Omit<ErrorCode, "file"> | undefined {
  const fields: Record<string, string | undefined> = {};
  for (const one of node.properties as Node[]) {
    const key = one.key as Node | undefined;
    if (key?.type === "Identifier") fields[String(key.name)] = textOf(one.value);
  }
  const { code, title, fix } = fields;
  return code !== undefined && title !== undefined && CODE.test(code)
    ? { code, title, fix: fix ?? "" }
    : undefined;
}

/** `problem("app.no-such-page", 404, "There is no such page", "What to do")` */
function inCall(node: Node): Omit<ErrorCode, "file"> | undefined {
  const [code, title, fix] = (node.arguments as Node[])
    .filter((one) => one.type !== "NumericLiteral")
    .map(textOf);
  const sentence = (text: string | undefined) => text !== undefined && /^[A-Z“…].* /.test(text);
  return code !== undefined && CODE.test(code) && title !== undefined && sentence(title)
    ? { code, title, fix: fix !== undefined && sentence(fix) ? fix : "" }
    : undefined;
}

export function errorCodes(root: string): ErrorCode[] {
  const found = new Map<string, ErrorCode>();
  for (const file of [...new Glob("src/**/*.{ts,tsx}").scanSync({ cwd: root })].sort()) {
    if (/\.test\.tsx?$|^src\/generated\//.test(file)) continue;
    const tree = parse(readFileSync(join(root, file), "utf8"), {
      sourceType: "module",
      // In a .ts file `<T>` is a type parameter, not an element.
      plugins: file.endsWith("x") ? ["typescript", "jsx"] : ["typescript"],
    });
    const visit = (value: unknown): void => {
      if (Array.isArray(value)) {
        for (const one of value) visit(one);
        return;
      }
      const node = value as Node | null;
      if (typeof node !== "object" || node === null) return;
      if (typeof node.type === "string") {
        const one =
          node.type === "ObjectExpression"
            ? inObject(node)
            : node.type === "CallExpression"
              ? inCall(node)
              : undefined;
        const known = one && found.get(one.code);
        if (one && (!known || (known.fix === "" && one.fix !== ""))) found.set(one.code, { ...one, file });
      }
      for (const [key, child] of Object.entries(node)) {
        if (key !== "loc" && typeof child === "object") visit(child);
      }
    };
    visit(tree.program.body);
  }
  return [...found.values()].sort((a, b) => a.code.localeCompare(b.code));
}
