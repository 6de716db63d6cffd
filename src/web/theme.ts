/** One place for how everything looks: Mantine's theme, and our own tokens in styles/tokens.css. */
import { ActionIcon, Button, createTheme, Input, type MantineColorsTuple } from "@mantine/core";

const tuple = (...colors: string[]) => colors as unknown as MantineColorsTuple;
const HEIGHT: Record<string, string> = { xs: "1.5rem", sm: "2rem", md: "2rem", lg: "2.5rem", xl: "2.75rem" };
const PADDING: Record<string, string> = {
  xs: "0.5rem",
  sm: "0.75rem",
  md: "0.75rem",
  lg: "1rem",
  xl: "1.25rem",
};

export const theme = createTheme({
  colors: {
    cobalt: tuple(
      "#f2f6fe",
      "#e1ebfe",
      "#c7dafe",
      "#a2c1fe",
      "#78a3fe",
      "#4c81fa",
      "#295fe6",
      "#1d4eca",
      "#163da3",
      "#102c71",
    ),
    gray: tuple(
      "#f9fafb",
      "#f3f4f6",
      "#e8eaed",
      "#dcdfe3",
      "#c9ccd2",
      "#a1a5ac",
      "#666b73",
      "#50545b",
      "#353941",
      "#1b1e24",
    ),
    dark: tuple(
      "#e4e6ea",
      "#c1c4ca",
      "#9fa3ab",
      "#71757c",
      "#44484f",
      "#31343a",
      "#24272c",
      "#1b1d22",
      "#13151a",
      "#0d0e12",
    ),
    green: tuple(
      "#eefbf2",
      "#d9f5e1",
      "#b5ecc7",
      "#82dda3",
      "#54c885",
      "#31ab6a",
      "#1a8a51",
      "#0f6e3f",
      "#0b5831",
      "#094024",
    ),
    yellow: tuple(
      "#fff9e8",
      "#ffefc6",
      "#ffdf97",
      "#feca5b",
      "#f5b430",
      "#df9717",
      "#ba7419",
      "#975716",
      "#7a4213",
      "#5c300e",
    ),
    red: tuple(
      "#fef3f3",
      "#ffe3e3",
      "#fec8c7",
      "#fea09f",
      "#f77575",
      "#eb484b",
      "#d02b31",
      "#b01e22",
      "#8d1b19",
      "#671513",
    ),
  },
  primaryColor: "cobalt",
  primaryShade: { light: 6, dark: 6 },
  white: "#ffffff",
  black: "#1b1e24",
  fontFamily: "'Inter Variable', system-ui, -apple-system, 'Segoe UI', 'Noto Sans', sans-serif",
  fontFamilyMonospace: "'JetBrains Mono Variable', ui-monospace, 'Cascadia Mono', Menlo, Consolas, monospace",
  fontSizes: { xs: "0.6875rem", sm: "0.75rem", md: "0.8125rem", lg: "0.875rem", xl: "1rem" },
  lineHeights: { xs: "1.35", sm: "1.4", md: "1.5", lg: "1.5", xl: "1.5" },
  spacing: { xs: "0.25rem", sm: "0.5rem", md: "0.75rem", lg: "1rem", xl: "1.5rem" },
  radius: { xs: "0.1875rem", sm: "0.25rem", md: "0.375rem", lg: "0.625rem", xl: "1rem" },
  defaultRadius: "md",
  headings: {
    fontWeight: "600",
    sizes: {
      h1: { fontSize: "1.25rem", lineHeight: "1.75rem" },
      h2: { fontSize: "1rem", lineHeight: "1.5rem" },
      h3: { fontSize: "0.875rem", lineHeight: "1.25rem" },
    },
  },
  shadows: {
    md: "0 4px 16px -4px rgb(13 14 18 / .16)",
    lg: "0 12px 32px -8px rgb(13 14 18 / .24)",
    xl: "0 24px 64px -16px rgb(13 14 18 / .32)",
  },
  cursorType: "pointer",
  respectReducedMotion: true,
  components: {
    Button: Button.extend({
      defaultProps: { size: "sm" },
      vars: (_theme, props) => ({
        root: {
          "--button-height": HEIGHT[String(props.size ?? "sm")] ?? "2rem",
          "--button-padding-x": PADDING[String(props.size ?? "sm")] ?? "0.75rem",
          "--button-fz": props.size === "xs" ? "0.75rem" : "0.8125rem",
        },
      }),
    }),
    ActionIcon: ActionIcon.extend({ defaultProps: { variant: "subtle", color: "gray", size: "md" } }),
    Input: Input.extend({
      vars: () => ({
        wrapper: {
          "--input-height": "2rem",
          "--input-fz": "var(--lp-input-fz)",
          "--input-bd": "var(--lp-field)",
        },
      }),
    }),
    InputWrapper: {
      styles: {
        label: { fontSize: "0.8125rem", fontWeight: 550, marginBottom: "0.25rem" },
        description: { fontSize: "0.75rem", marginBottom: "0.25rem" },
        error: { fontSize: "0.75rem" },
      },
    },
    Modal: {
      defaultProps: {
        radius: "lg",
        padding: "xl",
        shadow: "xl",
        closeButtonProps: { "aria-label": "Close" },
        overlayProps: { backgroundOpacity: 0.45, blur: 0 },
        transitionProps: { duration: 120, transition: "fade" },
      },
    },
    Menu: {
      defaultProps: {
        shadow: "md",
        width: 220,
        position: "bottom-end",
        transitionProps: { duration: 80, transition: "fade" },
      },
    },
    Notification: { defaultProps: { closeButtonProps: { "aria-label": "Close" } } },
    Anchor: { defaultProps: { underline: "always" } },
  },
});
