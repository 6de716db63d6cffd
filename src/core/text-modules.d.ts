/** Files that a binary carries: `import text from "./x.sh" with { type: "text" }`. */
declare module "*.sh" {
  const text: string;
  export default text;
}
