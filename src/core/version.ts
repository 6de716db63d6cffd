/** Put in by the build (`--define`); a run from source says so. */
declare const COCALC_VERSION: string | undefined;
declare const COCALC_COMMIT: string | undefined;

export const VERSION = typeof COCALC_VERSION === "string" ? COCALC_VERSION : "0.1.0-source";
export const COMMIT = typeof COCALC_COMMIT === "string" ? COCALC_COMMIT : "source";

export function versionInfo(): Record<string, string> {
  return { version: VERSION, commit: COMMIT, bun: Bun.version, arch: process.arch };
}
