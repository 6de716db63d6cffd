import { expect, test } from "bun:test";
import { nameOfPress } from "./keys.ts";

const press = (
  key: string,
  code: string,
  held: Partial<Record<"ctrlKey" | "metaKey" | "altKey" | "shiftKey", boolean>> = {},
) => nameOfPress({ key, code, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...held });

test("a press has one name, whatever the keyboard's layout and system", () => {
  expect(press("k", "KeyK", { ctrlKey: true })).toBe("Ctrl+K");
  expect(press("k", "KeyK", { metaKey: true })).toBe("Ctrl+K");
  expect(press("~", "Backquote", { ctrlKey: true, shiftKey: true })).toBe("Ctrl+Shift+Backquote");
  expect(press("¡", "Digit1", { altKey: true })).toBe("Alt+1");
  expect(press("g", "KeyG")).toBe("G");
  expect(press("?", "Slash", { shiftKey: true })).toBe("?");
  expect(press("Escape", "Escape")).toBe("Escape");
});
