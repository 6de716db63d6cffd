/**
 * The jail of a backup job: it sees one project's files, the programs it needs and the network, and has just the rights
 * of its task. With the right to read every file it would, outside, be as good as root; here there is nothing else.
 * Pure: golden tests hold it.
 */
export interface JailUser {
  uid: number;
  gid: number;
}

export interface JailPlan {
  user: JailUser;
  /** Kernel capabilities by their short names, ambient in the job. */
  caps: readonly string[];
  /** What is seen at /project: name → where it is. */
  data: Record<string, string>;
  writable: boolean;
  /** Beside it, never to be written to. */
  source?: string;
  /** The project-host binary, which holds the job. */
  binary: string;
  /** Undefined: the job asks no repository. */
  rustic: string | undefined;
  cache: string;
  /** One line each, so that ssh finds a user for its uid; without /etc/group rustic takes every group for an error. */
  passwd: string;
  group: string;
  /** Without root there is one user already, and nothing to give up. */
  rootless: boolean;
}

/** Of the jail's /tmp: rustic's log and ssh's sockets. */
const TMP_BYTES = 256 * 2 ** 20;
/** Read by ssh and by TLS; a distribution may lack some. */
const ETC = ["resolv.conf", "hosts", "nsswitch.conf", "ssl", "ca-certificates", "pki", "localtime"];
/** For becoming the job's user. */
const CHANGE_USER = ["setuid", "setgid", "setpcap"];

export const JAIL_PLACES = { data: "/project", tmp: "/tmp", cache: "/cache", rustic: "/rustic" } as const;

export function jailArgv(plan: JailPlan): string[] {
  const bind = plan.writable ? "--bind" : "--ro-bind";
  const given = [...CHANGE_USER, ...plan.caps].flatMap((cap) => ["--cap-add", `CAP_${cap.toUpperCase()}`]);
  const only = ["-all", ...plan.caps.map((cap) => `+${cap}`)].join(",");
  return [
    "bwrap",
    ...["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent", "--new-session"],
    ...["--cap-drop", "ALL", ...(plan.rootless ? [] : given)],
    ...["--clearenv", "--setenv", "PATH", "/usr/local/bin:/usr/bin:/bin", "--setenv", "LANG", "C.UTF-8"],
    ...["--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin"],
    ...["--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"],
    ...["--proc", "/proc", "--dev", "/dev", "--size", String(TMP_BYTES), "--tmpfs", "/tmp"],
    // What bwrap makes by itself on the way to a mount is closed to all but root.
    ...["/etc", "/project"].flatMap((dir) => ["--perms", "0755", "--dir", dir]),
    ...["--ro-bind", plan.passwd, "/etc/passwd", "--ro-bind", plan.group, "/etc/group"],
    ...ETC.flatMap((name) => ["--ro-bind-try", `/etc/${name}`, `/etc/${name}`]),
    ...Object.entries(plan.data).flatMap(([name, from]) => [bind, from, `/project/${name}`]),
    ...(plan.source === undefined ? [] : ["--ro-bind", plan.source, "/project/source"]),
    ...(plan.rustic === undefined ? [] : ["--ro-bind", plan.rustic, "/rustic"]),
    ...["--ro-bind", plan.binary, "/job", "--bind", plan.cache, "/cache"],
    ...["--chmod", "1777", "/tmp", "--chdir", "/"],
    ...(plan.rootless
      ? []
      : [
          "setpriv",
          ...[`--reuid=${plan.user.uid}`, `--regid=${plan.user.gid}`, "--clear-groups"],
          ...[
            `--inh-caps=${only}`,
            `--ambient-caps=${only}`,
            `--bounding-set=${only}`,
            "--no-new-privs",
            "--",
          ],
        ]),
    "/job",
    "backup-job",
  ];
}
