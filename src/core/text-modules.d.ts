/** Files that a binary carries: `import text from "./x.sh" with { type: "text" }`. */
declare module "*.sh" {
  const text: string;
  export default text;
}

/** Style sheets that the bundler takes in. */
declare module "*.css";
