import { expect, test } from "bun:test";
import { confirmByName, confirmTyped } from "./confirm.ts";

test("a person types the name; a script and --yes are not asked", () => {
  const asked: string[] = [];
  const typing = (answer: string | null) => ({
    interactive: true,
    ask: (question: string) => {
      asked.push(question);
      return answer;
    },
  });
  confirmByName("It goes.", "ember", false, typing("ember"));
  expect(asked).toEqual(["It goes. Type ember to go on:"]);
  for (const answer of ["embe", "", null])
    expect(() => confirmByName("It goes.", "ember", false, typing(answer))).toThrow("Nothing was changed");
  asked.length = 0;
  confirmByName("It goes.", "ember", true, typing(null));
  confirmByName("It goes.", "ember", false, { ...typing(null), interactive: false });
  expect(asked).toEqual([]);
});

test("what may be the only copy is named by a script too", () => {
  const typing = (answer: string | null, interactive = true) => ({ interactive, ask: () => answer });
  confirmTyped("It goes.", "ember", undefined, typing("ember"));
  confirmTyped("It goes.", "ember", "ember", typing(null, false));
  for (const [given, at] of [
    [undefined, typing("ember", false)],
    [undefined, typing("birch")],
    ["birch", typing("ember")],
    ["", typing("ember")],
  ] as const)
    expect(() => confirmTyped("It goes.", "ember", given, at)).toThrow("Nothing was changed");
});
