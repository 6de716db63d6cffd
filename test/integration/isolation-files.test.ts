/**
 * What of this machine and of another project a project sees as files, processes and sockets, also by way of the file
 * service that the hub asks; and that one which takes all it can get hurts only itself. Networks: isolation.test.ts.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomUUID } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { callProject, readFile, runCommand } from "../../src/contract/project-client.ts";
import { CodedError } from "../../src/core/errors.ts";
import type { ProjectManager } from "../../src/host/projects/manager.ts";
import { type HelperLab, startHelperLab, whyNoHelper } from "../fixtures/helper-lab.ts";
import { whyNoPool } from "../fixtures/storage-lab.ts";

const why = whyNoHelper();
const SLOW = 180_000;
/** Without a pool there are no snapshots, and the rows about them say little. */
const pool = whyNoPool();
/** The root of a btrfs (subvolume 5, inode 256) by its file handle: type 0x4d, as the kernel's exportfs has it. */
const BY_HANDLE = `
import ctypes, os, struct
libc = ctypes.CDLL(None, use_errno=True)
handle = struct.pack("=IiQQI", 20, 0x4d, 256, 5, 0)
at = os.open("/home/user/.snapshots", os.O_RDONLY)
got = libc.open_by_handle_at(at, handle, os.O_RDONLY)
if got >= 0: print(os.listdir(got))`;

describe.skipIf(why !== undefined)(
  `files of others, and greed${why ? ` (skipped: ${why})` : pool ? ` (no pool, so no snapshots: ${pool})` : ""}`,
  () => {
    let lab: HelperLab;
    let manager: ProjectManager;
    const a = randomUUID();
    const b = randomUUID();
    /** In B's files, environment and arguments, and in a file of this machine that everybody may read. */
    const secret = `secret-${randomUUID()}`;
    const outside = mkdtempSync(join(tmpdir(), "cc-outside-"));
    const hostFile = join(outside, "world-readable");

    const inside = async (id: string, ...argv: string[]) => {
      const peer = lab.router.server(`project.${id}.exec`);
      const { exit, stdout, stderr } = await runCommand(peer, id, { argv });
      return {
        code: exit.code,
        out: new TextDecoder().decode(stdout),
        err: new TextDecoder().decode(stderr),
      };
    };
    const sh = (id: string, command: string) => inside(id, "sh", "-c", command);

    beforeAll(async () => {
      chmodSync(outside, 0o755);
      writeFileSync(hostFile, secret, { mode: 0o644 });
      lab = await startHelperLab({ pool: pool === undefined });
      manager = await lab.manager();
      for (const id of [a, b]) manager.start(lab.spec(id));
      for (const id of [a, b]) await lab.until(manager, id, "running");
      await sh(b, `echo ${secret} >~/mine; S=${secret} setsid sleep 86399 </dev/null >/dev/null 2>&1 &`);
      if (pool !== undefined) return;
      for (const project_id of [a, b])
        await lab.helper.call("snapshot.create", { project_id, kind: "manual", only_if_changed: false });
    }, SLOW);
    afterAll(async () => {
      await lab?.stop();
      rmSync(outside, { recursive: true, force: true });
    }, SLOW);

    test(
      "the matrix",
      async () => {
        const grep = (where: string) =>
          `sudo timeout 60 grep -rlsa --exclude-dir=proc --exclude-dir=sys '${secret}' ${where} | head -3`;
        const rows: [what: string, command: string][] = [
          ["B's files, anywhere below /", grep("/home /root /tmp /var /mnt /srv /opt /run")],
          ["B's snapshots among its own", grep("~/.snapshots ~/.snapshots/.all")],
          ["B's snapshots by ..", `sudo sh -c 'cat /home/user/.snapshots/../../${b}/snapshots/*/mine'`],
          [
            "the same from inside one",
            `sudo sh -c 'cd ~/.snapshots/*/ && cat ../../../../../${b}/snapshots/*/mine'`,
          ],
          [
            "the whole pool by a mount",
            "sudo mount -o subvolid=5 $(grep -m1 ' /home/user/.snapshots ' /proc/mounts | cut -d' ' -f1) /mnt && ls /mnt/projects",
          ],
          ["the whole pool by a handle of its root", `sudo python3 -c '${BY_HANDLE}'`],
          ["B's processes", "ps -eo args | grep '[8]6399'"],
          [
            "B's environment in /proc",
            `sudo grep -lsa '${secret}' /proc/[0-9]*/environ | grep -v "^/proc/$$/"`,
          ],
          ["B among the mounts", `grep ${b} /proc/self/mountinfo`],
          ["B's agent, as a socket", `sudo find / -xdev -type s 2>/dev/null | grep ${b}`],
          ["B's agent, as an abstract socket", `grep -a ${b} /proc/net/unix`],
          ["this machine's processes", "ps -eo args | grep '[c]ocalc-project-host helper'"],
          ["a file of this machine by its path", `cat ${hostFile}`],
          ["the same by a link", `ln -sfn ${hostFile} ~/link && cat ~/link`],
          ["the same by ..", `cat ../../../../../../..${hostFile}`],
          ["the same by the root of process 1", `sudo cat /proc/1/root${hostFile}`],
          ["the same by a hard link", `sudo ln ${hostFile} ~/hard && cat ~/hard`],
          [
            "the same by a mount",
            `sudo mkdir -p /mnt/x && sudo mount --bind ${outside} /mnt/x && cat /mnt/x/*`,
          ],
          ["a disk by its device", "sudo mknod ~/disk b 254 0 && sudo head -c 1 ~/disk | wc -c | grep 1"],
          ["memory by its device", "sudo mknod ~/mem c 1 1 && sudo head -c 1 ~/mem | wc -c | grep 1"],
          ["kernel memory", "sudo head -c 1 /proc/kcore | wc -c | grep 1"],
          ["the kernel's log", "sudo dmesg | head -1 | grep ."],
          ["a module of the kernel", "sudo modprobe loop"],
          [
            "another root by pivot",
            "sudo unshare -m sh -c 'mount --rbind /proc/1/root /mnt && cat /mnt/etc/hostname'",
          ],
        ];
        const table: { what: string; got: string }[] = [];
        for (const [what, command] of rows) {
          const { code, out } = await sh(a, command);
          const got = code === 0 && out.trim() !== "" ? out.trim().slice(0, 80) : "nothing";
          table.push({ what, got });
        }
        console.table(table);
        // Its own root again, by whatever way.
        const own = (await sh(a, "cat /etc/hostname")).out.trim();
        expect(table.filter(({ got }) => got !== "nothing" && got !== own)).toEqual([]);
        for (const { got } of table) expect(got).not.toContain(secret);
        // The same search does find it where it is.
        expect((await sh(b, grep("/home"))).out).toContain("/mine");
        if (pool === undefined) {
          expect((await sh(b, "cat ~/.snapshots/*/mine")).out.trim()).toBe(secret);
          expect((await sh(a, "ls ~/.snapshots")).out.trim()).toMatch(/^\d/);
        }
      },
      SLOW,
    );

    test(
      "the file service follows links inside the project alone",
      async () => {
        const peer = lab.router.server(`project.${a}.files.read`);
        await sh(a, `ln -sfn ${hostFile} ~/link; ln -sfn /proc/1/root${hostFile} ~/root-link`);
        for (const path of ["link", "root-link", hostFile, `../../../..${hostFile}`]) {
          const answer = await readFile(peer, a, path).then(
            ({ bytes }) => new TextDecoder().decode(bytes),
            (error: unknown) => (error instanceof CodedError ? error.code : String(error)),
          );
          expect([path, answer]).toEqual([path, "file.not-found"]);
        }
        const unpacked = await sh(
          a,
          `cd ~ && python3 - <<'END' && tar -xPf evil.tar 2>&1; cat ${hostFile}
import io, tarfile
with tarfile.open("evil.tar", "w") as tar:
    link = tarfile.TarInfo("way"); link.type = tarfile.SYMTYPE; link.linkname = "${outside}"; tar.addfile(link)
    body = b"overwritten"; entry = tarfile.TarInfo("way/world-readable"); entry.size = len(body); tar.addfile(entry, io.BytesIO(body))
END`,
        );
        expect(unpacked.out).not.toContain(secret);
        expect(await Bun.file(hostFile).text()).toBe(secret);
      },
      SLOW,
    );

    test(
      "10,000 sockets, every process, all memory and files without end: the other project and the agent's answers stay",
      async () => {
        const greedy = `
import resource, socket, time
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
server = socket.socket(); server.bind(("127.0.0.1", 0)); server.listen(4096)
held = []
try:
    while len(held) < 10000:
        one = socket.socket(); one.connect(server.getsockname()); held.append((one, server.accept()[0]))
except OSError as error:
    print(error, flush=True)
print(len(held), flush=True)
time.sleep(86398)`;
        await sh(a, `cat >~/greedy.py <<'END'\n${greedy}\nEND`);
        await sh(a, "setsid python3 ~/greedy.py </dev/null >~/greedy.out 2>&1 &");
        let held = 0;
        const end = Date.now() + 90_000;
        while (held === 0 && Date.now() < end) {
          held = Number((await sh(a, "tail -1 ~/greedy.out")).out) || 0;
          await Bun.sleep(500);
        }
        // All of them, or as many as its own limit lets it have.
        expect(held).toBeGreaterThan(500);
        const fine = async (id: string) => {
          expect((await sh(id, "echo fine >~/fine && cat ~/fine")).out).toBe("fine\n");
          const own = `python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); s.listen(); c=socket.create_connection(s.getsockname()); s.accept(); print("open")'`;
          return (await sh(id, own)).out.trim();
        };
        expect(await fine(b)).toBe("open");
        const { ports } = await callProject(lab.router.server(`project.${a}.ports`), a, "ports", {});
        expect(ports.length).toBeGreaterThan(0);
        await sh(a, "pkill -f greedy.py; sleep 1");

        const forks = await sh(a, "for i in $(seq 400); do sleep 5 & done 2>/dev/null; echo");
        expect(await fine(b)).toBe("open");
        expect(forks.code === 0 && forks.err === "").toBe(false);
        // Until they have ended: a sleep in there may find no room for itself.
        const room = Date.now() + 60_000;
        while ((await sh(a, "echo room | cat")).out !== "room\n" && Date.now() < room) await Bun.sleep(500);
        expect((await inside(a, "python3", "-c", "x=bytearray(700*2**20); print(len(x))")).code).not.toBe(0);
        expect(await fine(b)).toBe("open");
        expect(await fine(a)).toBe("open");
      },
      SLOW,
    );
  },
);
