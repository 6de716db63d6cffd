/** Files that a binary carries: `import text from "./x.sh" with { type: "text" }`. */
declare module "*.sh" {
  const text: string;
  export default text;
}
declare module "*.service" {
  const text: string;
  export default text;
}
declare module "*.target" {
  const text: string;
  export default text;
}
declare module "*.timer" {
  const text: string;
  export default text;
}

/** Style sheets that the bundler takes in. */
declare module "*.css";

/** Fonts: the bundler gives the address that they are served at. */
declare module "*.woff2" {
  const url: string;
  export default url;
}
