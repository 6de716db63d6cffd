/** How code looks: all colours are tokens, so that light and dark need no second theme. */
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import type { Extension } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { tags as t } from "@lezer/highlight";

const style = HighlightStyle.define([
  { tag: [t.keyword, t.operatorKeyword, t.modifier, t.self], color: "var(--lp-code-keyword)" },
  { tag: [t.string, t.special(t.string), t.regexp, t.character], color: "var(--lp-code-string)" },
  { tag: [t.number, t.bool, t.atom, t.null, t.unit], color: "var(--lp-code-number)" },
  { tag: [t.comment, t.meta, t.processingInstruction], color: "var(--lp-code-comment)" },
  {
    tag: [t.definition(t.variableName), t.function(t.variableName), t.labelName],
    color: "var(--lp-code-name)",
  },
  { tag: [t.typeName, t.className, t.namespace, t.tagName], color: "var(--lp-code-type)" },
  { tag: [t.attributeName, t.propertyName], color: "var(--lp-code-property)" },
  { tag: t.heading, fontWeight: "600", color: "var(--lp-code-name)" },
  { tag: t.strong, fontWeight: "600" },
  { tag: t.emphasis, fontStyle: "italic" },
  { tag: t.strikethrough, textDecoration: "line-through" },
  { tag: [t.link, t.url], color: "var(--lp-accent-text)", textDecoration: "underline" },
  { tag: t.invalid, color: "var(--bad-text)" },
]);

const panel = {
  backgroundColor: "var(--lp-app)",
  color: "var(--lp-text)",
  borderColor: "var(--lp-line-2)",
};

export function codeTheme(dark: boolean): Extension {
  return [
    EditorView.theme(
      {
        "&": { backgroundColor: "var(--lp-surface)", color: "var(--lp-code-text)", fontSize: "13px" },
        ".cm-scroller": {
          fontFamily: "var(--mantine-font-family-monospace)",
          fontVariantLigatures: "none",
          lineHeight: "1.5",
        },
        ".cm-content": { padding: "6px 0", caretColor: "var(--lp-accent)" },
        ".cm-cursor": { borderLeftColor: "var(--lp-accent)", borderLeftWidth: "2px" },
        ".cm-gutters": { backgroundColor: "var(--lp-surface)", color: "var(--lp-text-3)", border: "none" },
        ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--lp-active-line)" },
        "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
          backgroundColor: "var(--lp-selection)",
        },
        ".cm-selectionMatch": { backgroundColor: "var(--lp-accent-soft)" },
        ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": {
          backgroundColor: "var(--lp-accent-soft)",
          outline: "1px solid var(--lp-accent-line)",
        },
        ".cm-foldPlaceholder": { ...panel, padding: "0 4px" },
        ".cm-panels": panel,
        ".cm-panels.cm-panels-top": { borderBottom: "1px solid var(--lp-line-2)" },
        ".cm-panel.cm-search": { padding: "6px 8px" },
        ".cm-textfield": {
          backgroundColor: "var(--lp-surface)",
          border: "1px solid var(--lp-field)",
          borderRadius: "4px",
        },
        ".cm-button": {
          backgroundImage: "none",
          backgroundColor: "var(--lp-surface)",
          border: "1px solid var(--lp-line-2)",
          borderRadius: "4px",
        },
        ".cm-tooltip": panel,
        ".cm-ySelectionInfo": {
          ...panel,
          border: "1px solid var(--lp-line-2)",
          borderRadius: "4px",
          fontFamily: "inherit",
          fontSize: "11px",
          padding: "1px 4px",
          top: "-1.6em",
        },
        ".cm-ySelectionCaret": { borderLeftWidth: "2px", borderRight: "none", marginRight: "0" },
      },
      { dark },
    ),
    syntaxHighlighting(style),
  ];
}
