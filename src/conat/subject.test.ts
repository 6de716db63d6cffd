import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { covers, isPattern, isSubject, matches } from "./subject.ts";

const token = fc.stringMatching(/^[a-c0-9_-]{1,3}$/);
const subject = fc.array(token, { minLength: 1, maxLength: 4 });
const pattern = fc
  .tuple(fc.array(fc.oneof(token, fc.constant("*")), { maxLength: 4 }), fc.boolean())
  .filter(([tokens, tail]) => tokens.length > 0 || tail)
  .map(([tokens, tail]) => (tail ? [...tokens, ">"] : tokens));

/** The same question asked of a regular expression. */
function oracle(pattern: string[], subject: string[]): boolean {
  const source = pattern
    .map((t) => (t === "*" ? "[^.]+" : t === ">" ? ".+" : t.replaceAll(/[$+]/g, "\\$&")))
    .join("\\.");
  return new RegExp(`^${source}$`).test(subject.join("."));
}

describe("subjects", () => {
  test("matching agrees with a regular expression", () => {
    fc.assert(
      fc.property(pattern, subject, (p, s) => {
        expect(isPattern(p.join("."))).toBe(true);
        expect(isSubject(s.join("."))).toBe(true);
        expect(matches(p.join("."), s.join("."))).toBe(oracle(p, s));
      }),
    );
  });

  test("what a narrower pattern matches, the wider one matches", () => {
    fc.assert(
      fc.property(pattern, pattern, subject, (wide, narrow, s) => {
        if (covers(wide.join("."), narrow.join(".")) && matches(narrow.join("."), s.join("."))) {
          expect(matches(wide.join("."), s.join("."))).toBe(true);
        }
      }),
    );
  });

  test("a right to one project is no right to all", () => {
    expect(covers("project.A.>", "project.>")).toBe(false);
    expect(covers("project.A.>", "project.*.files")).toBe(false);
    expect(covers("project.*", "project.>")).toBe(false);
    expect(covers("project.>", "project.*.files")).toBe(true);
  });

  test.each(["", ".", "a..b", "a.", ".a", "a b", "a.*", "a.>", "a\nb", "é", "x".repeat(256)])(
    "%j is no subject",
    (text) => expect(isSubject(text)).toBe(false),
  );
  test.each(["", "a.>.b", ">.a", "a*", "a.b>", "*.>.>"])("%j is no pattern", (text) =>
    expect(isPattern(text)).toBe(false),
  );
});
