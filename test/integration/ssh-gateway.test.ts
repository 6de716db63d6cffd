/** Stock OpenSSH clients, rsync and git against the SSH gateway over a real agent: commands, terminals and files. */
import { beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { until } from "../fixtures/running-hub.ts";
import { freePort, MIB, SLOW, sha, sshClients, WAIT } from "../fixtures/ssh-clients.ts";

const ssh = sshClients();
/** Names with what breaks quoting. */
const ODD = ["plain", "with space", "-dash", "quote'\"s", "newline\nin it", "ünï ☃"];

describe("commands", () => {
  test("stdout, stderr, exit status, and standard input to its end", async () => {
    expect(await ssh.lab.run(ssh.lab.ssh(["echo out; echo err >&2; exit 7"]))).toEqual({
      stdout: "out\n",
      stderr: "err\n",
      code: 7,
    });
    expect((await ssh.lab.run(ssh.lab.ssh(["wc -c"]), { stdin: "x".repeat(1_000_000) })).stdout.trim()).toBe(
      "1000000",
    );
    expect((await ssh.lab.run(ssh.lab.ssh(["no-such-program-here"]))).code).toBe(127);
  });

  test("the end by a signal is told as one; a signal reaches the command", async () => {
    const verbose = (command: string) =>
      ssh.lab.ssh([command], ["-v"]).map((one) => one.replace("ERROR", "DEBUG1"));
    const { code, stderr } = await ssh.lab.run(verbose("kill -TERM $$"));
    expect(code).toBe(255);
    expect(stderr).toContain("rtype exit-signal");
  });

  test("a command is no login shell, whose profile may print; a shell is one", async () => {
    writeFileSync(join(ssh.lab.agent.home, ".profile"), "echo PROFILE\n");
    expect((await ssh.lab.run(ssh.lab.ssh(["echo x"]))).stdout).toBe("x\n");
    expect((await ssh.lab.run(ssh.lab.ssh(), { stdin: "echo y\n" })).stdout).toContain("PROFILE\ny");
    rmSync(join(ssh.lab.agent.home, ".profile"));
  });

  test("environment: what the client sends, but not the agent's own; SSH_CONNECTION is told", async () => {
    const sent = ["-o", "SetEnv=LC_X=hello COCALC_AGENT_TOKEN=evil PATH=/evil"];
    const { stdout } = await ssh.lab.run(ssh.lab.ssh(["env"], sent));
    expect(stdout).toContain("LC_X=hello");
    expect(stdout).not.toContain("evil");
    expect(stdout).toMatch(/SSH_CONNECTION=127\.0\.0\.1 \d+ 127\.0\.0\.1 \d+/);
    expect(stdout).not.toContain("AGENT_TOKEN");
  });

  test(
    "32 MiB each way, whole, with both outputs full at once",
    async () => {
      const bytes = randomBytes(32 * MIB);
      const up = await ssh.lab.run(ssh.lab.ssh(["cat > big; sha256sum < big"]), { stdin: bytes });
      expect(up.stdout.slice(0, 64)).toBe(sha(bytes));
      const proc = ssh.hold(ssh.lab.ssh(["cat big >&2 & cat big; wait"]));
      const [out, err] = await Promise.all([
        new Response(proc.stdout).bytes(),
        new Response(proc.stderr).bytes(),
      ]);
      expect([sha(out), sha(err)]).toEqual([sha(bytes), sha(bytes)]);
    },
    SLOW,
  );

  test(
    "keys are exchanged anew within a stream, and the bytes are whole",
    async () => {
      const proc = ssh.hold(ssh.lab.ssh(["cat big"], ["-o", "RekeyLimit=2M"]));
      expect(sha(await new Response(proc.stdout).bytes())).toBe(
        sha(readFileSync(join(ssh.lab.agent.home, "big"))),
      );
    },
    SLOW,
  );

  test(
    "a reader that stops holds the command back: what is between them is bounded",
    async () => {
      const fifo = join(ssh.lab.dir, "unread");
      await ssh.lab.run(["mkfifo", fifo]);
      const unread = openSync(fifo, "r+");
      try {
        const command = "echo $$ > writer; exec head -c 1G /dev/zero";
        const proc = ssh.hold(ssh.lab.ssh([command]), unread);
        const writer = await until(
          "it runs",
          async () => {
            const pid = readFileSync(join(ssh.lab.agent.home, "writer"), "utf8").trim();
            return readFileSync(`/proc/${pid}/comm`, "utf8") === "head\n" && pid;
          },
          WAIT,
        );
        const written = () =>
          Number(/wchar: (\d+)/.exec(readFileSync(`/proc/${writer}/io`, "utf8"))?.[1] ?? 0);
        let before = -1;
        const most = await until(
          "it writes no more",
          async () => {
            const now = written();
            await Bun.sleep(1_500);
            const still = now > 0 && now === before && now === written();
            before = now;
            return still && now;
          },
          WAIT,
        );
        // OpenSSH's own window is 2 MiB; the agent's credit, what the gateway queues and the kernel's pipes are less.
        expect(most).toBeLessThan(8 * MIB);
        expect(await ssh.lab.agent.rss()).toBeLessThan(300 * MIB);
        proc.kill("SIGKILL");
        await until("it has ended with its reader", async () => !existsSync(`/proc/${writer}`), WAIT);
      } finally {
        closeSync(unread);
      }
    },
    SLOW,
  );

  test(
    "a command without a terminal outlives its client, as with sshd; one with a terminal is hung up",
    async () => {
      // Not their clients, which are processes of the same machine here.
      const running = async () =>
        (await ssh.lab.run(ssh.lab.ssh(["pgrep -xaf 'sleep 98[12]' || true"]))).stdout
          .split("\n")
          .map((line) => line.replace(/^\d+ /, ""))
          .filter(Boolean)
          .sort();
      const plain = ssh.hold(ssh.lab.ssh(["sleep 981"]));
      const tty = ssh.hold(ssh.lab.ssh(["sleep 982"], ["-tt"]));
      await until("both run", async () => (await running()).length === 2, WAIT);
      plain.kill("SIGKILL");
      tty.kill("SIGKILL");
      await until("one is left", async () => (await running()).join() === "sleep 981", WAIT);
      expect((await ssh.lab.run(ssh.lab.ssh(["pkill -xf 'sleep 981'"]))).code).toBe(0);
    },
    SLOW,
  );
});

test(
  "a terminal: its name, its size and the change of it",
  async () => {
    const outer = ["script", "-qfec", "", "/dev/null"];
    const sized = join(ssh.lab.agent.home, "sized");
    const remote = ssh.lab
      .ssh(
        [`trap 'stty size; exit' WINCH; stty size; touch ${sized}; for i in {1..300}; do sleep 0.2; done`],
        ["-t"],
      )
      .map((word) => `'${word.replaceAll("'", "'\\''")}'`)
      .join(" ");
    outer[2] = `stty rows 30 cols 100; (until [ -e ${sized} ]; do sleep 0.1; done; stty rows 40 cols 120 </dev/tty) & ${remote}`;
    const { stdout } = await ssh.lab.run(outer);
    expect(stdout).toContain("30 100");
    expect(stdout).toContain("40 120");
  },
  SLOW,
);

describe("files", () => {
  const tree = () => join(ssh.lab.dir, "tree");
  beforeAll(() => {
    mkdirSync(join(tree(), "sub"), { recursive: true });
    for (const name of ODD) writeFileSync(join(tree(), "sub", name), `content of ${name}`);
  });
  const same = (dir: string) =>
    expect(
      readdirSync(join(dir, "sub"))
        .map((name) => readFileSync(join(dir, "sub", name), "utf8"))
        .sort(),
    ).toEqual(ODD.map((name) => `content of ${name}`).sort());

  for (const mode of [[], ["-O"]]) {
    test(
      `scp ${mode.join("") || "over sftp"}, a folder there and back`,
      async () => {
        const there = `copied${mode.join("")}`;
        const up = await ssh.lab.run(ssh.lab.copy("scp", ...mode, "-r", tree(), ssh.lab.at(there)));
        expect([up.stderr, up.code]).toEqual(["", 0]);
        same(join(ssh.lab.agent.home, there));
        const back = join(ssh.lab.dir, `back${mode.join("")}`);
        const down = await ssh.lab.run(ssh.lab.copy("scp", ...mode, "-r", ssh.lab.at(there), back));
        expect([down.stderr, down.code]).toEqual(["", 0]);
        same(back);
      },
      SLOW,
    );
  }

  test("sftp: list, put, get, rename, remove", async () => {
    const script = `put ${tree()}/sub/plain up.txt\nrename up.txt moved.txt\nls\nget moved.txt ${ssh.lab.dir}/got.txt\nrm moved.txt\n`;
    const { code, stdout } = await ssh.lab.run(ssh.lab.copy("sftp", "-b", "-", `${ssh.lab.user}@127.0.0.1`), {
      stdin: script,
    });
    expect(code).toBe(0);
    expect(stdout).toContain("moved.txt");
    expect(readFileSync(join(ssh.lab.dir, "got.txt"), "utf8")).toBe("content of plain");
    expect(existsSync(join(ssh.lab.agent.home, "moved.txt"))).toBe(false);
  });

  test(
    "rsync there and back, and again with nothing to do",
    async () => {
      const rsync = (...args: string[]) =>
        ssh.lab.run(["rsync", "-a", "--stats", "-e", ssh.lab.shell(), ...args]);
      expect((await rsync(`${tree()}/`, ssh.lab.at("synced"))).code).toBe(0);
      same(join(ssh.lab.agent.home, "synced"));
      const again = await rsync(`${tree()}/`, ssh.lab.at("synced"));
      expect(again.stdout).toContain("Number of regular files transferred: 0");
      expect((await rsync(ssh.lab.at("synced/"), join(ssh.lab.dir, "synced-back"))).code).toBe(0);
      same(join(ssh.lab.dir, "synced-back"));
    },
    SLOW,
  );

  test(
    "git: push, clone",
    async () => {
      const env = { GIT_SSH_COMMAND: ssh.lab.shell(), GIT_CONFIG_GLOBAL: "/dev/null" };
      expect((await ssh.lab.run(ssh.lab.ssh(["git init -q --bare repo.git"]))).code).toBe(0);
      const git = (cwd: string, ...args: string[]) =>
        ssh.lab.run(["git", ...args], { cwd, env: { ...env, HOME: ssh.lab.dir } });
      const work = join(ssh.lab.dir, "work");
      mkdirSync(work);
      await git(work, "init", "-q");
      writeFileSync(join(work, "a.txt"), "text");
      await git(work, "add", ".");
      await git(work, "-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qm", "one");
      const pushed = await git(work, "push", "-q", ssh.lab.at("repo.git"), "HEAD:refs/heads/main");
      expect([pushed.stderr, pushed.code]).toEqual(["", 0]);
      const cloned = await git(ssh.lab.dir, "clone", "-q", "-b", "main", ssh.lab.at("repo.git"), "clone");
      expect([cloned.stderr, cloned.code]).toEqual(["", 0]);
      expect(readFileSync(join(ssh.lab.dir, "clone/a.txt"), "utf8")).toBe("text");
    },
    SLOW,
  );
});
/**
 * As Visual Studio Code's Remote-SSH 0.110 does with `useLocalServer`: `ssh -T -D <port> <host> bash` with a script on
 * standard input, which tells the platform, unpacks a server, leaves it running, and prints where it listens between
 * markers; then everything else goes through the SOCKS port, while the shell stays open.
 */
test(
  "VS Code Remote-SSH: script on stdin, a server left running, all else through SOCKS; it outlives the connection",
  async () => {
    const socks = freePort();
    const id = "f00ba4";
    const argv = ssh.lab.ssh(["bash"], ["-v", "-T", "-D", String(socks), "-o", "ConnectTimeout=15"]);
    const proc = ssh.hold(argv);
    const script = `
echo "${id}: running"
DATA=$HOME/.vscode-server; mkdir -p "$DATA/bin/commit"; cd "$DATA/bin/commit"
PLATFORM=$(uname -s); ARCH=$(uname -m); which tar >/dev/null && command -v bash >/dev/null
echo 'works' > index.html
echo $$ > "$DATA/shell"
nohup python3 -u -m http.server --bind 127.0.0.1 0 > "$DATA/log" 2>&1 < /dev/null &
echo $! > "$DATA/pid"
for i in $(seq 1 300); do PORT=$(sed -n 's/.*port \\([0-9]*\\).*/\\1/p' "$DATA/log"); [ -n "$PORT" ] && break; sleep 0.1; done
echo "${id}: start"
echo "SSH_AUTH_SOCK==$SSH_AUTH_SOCK=="
echo "listeningOn==127.0.0.1:$PORT=="
echo "osReleaseId==$(. /etc/os-release; echo $ID)=="; echo "arch==$ARCH=="; echo "platform==$PLATFORM=="
echo "${id}: end"
while true; do sleep 1; done
`;
    proc.stdin.write(script);
    await proc.stdin.flush();
    let said = "";
    const reader = proc.stdout.getReader();
    while (!said.includes(`${id}: end`)) {
      const { value, done } = await reader.read();
      if (done) break;
      said += new TextDecoder().decode(value);
    }
    const port = /listeningOn==127\.0\.0\.1:(\d+)==/.exec(said)?.[1];
    expect(said).toContain("platform==Linux==");
    expect(port).toBeDefined();
    const get = () =>
      ssh.lab.run(["curl", "-s", "--socks5-hostname", `127.0.0.1:${socks}`, `http://127.0.0.1:${port}/`]);
    expect((await get()).stdout).toBe("works\n");
    // The laptop sleeps: the connection is gone, the server must not be.
    proc.kill("SIGKILL");
    await Bun.sleep(4_500);
    expect((await ssh.lab.run(ssh.lab.ssh([`curl -s http://127.0.0.1:${port}/`]))).stdout).toBe("works\n");
    // The shell waits for its client for ever: as with sshd, nobody tells a command without a terminal.
    const ended = await ssh.lab.run(ssh.lab.ssh(["kill $(cat .vscode-server/pid .vscode-server/shell)"]));
    expect([ended.stderr, ended.code]).toEqual(["", 0]);
  },
  SLOW,
);
