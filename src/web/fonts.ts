/**
 * Inter and JetBrains Mono for Latin script; others come from the system. Not in a style sheet: the bundler would put
 * all of a family's files into it, 650 kB before the first page is drawn.
 */

import inter from "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2";
import mono from "@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2";

/** Google's `latin` subset, which the files hold. */
const LATIN =
  "U+0000-00FF,U+0131,U+0152-0153,U+02BB-02BC,U+02C6,U+02DA,U+02DC,U+0304,U+0308,U+0329,U+2000-206F,U+20AC,U+2122,U+2191,U+2193,U+2212,U+2215,U+FEFF,U+FFFD";

/** Each is fetched when the first text is set in it. */
export function addFonts(): void {
  for (const [family, file, weight] of [
    ["Inter Variable", inter, "100 900"],
    ["JetBrains Mono Variable", mono, "100 800"],
  ] as const) {
    document.fonts.add(
      new FontFace(family, `url(${file}) format("woff2")`, { weight, display: "swap", unicodeRange: LATIN }),
    );
  }
}
