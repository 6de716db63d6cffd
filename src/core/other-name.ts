/** `data/report.csv` → `data/report (2).csv`; a name that begins with a dot keeps all of it in front. */
export function otherName(path: string, number: number): string {
  const from = path.lastIndexOf("/") + 1;
  const dot = path.lastIndexOf(".");
  const at = dot > from ? dot : path.length;
  return `${path.slice(0, at)} (${number})${path.slice(at)}`;
}
