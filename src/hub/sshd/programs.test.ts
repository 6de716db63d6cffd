import { expect, test } from "bun:test";
import { CodedError } from "../../core/errors.ts";
import { findProgram } from "./programs.ts";

test("OpenSSH's programs are found where other distributions put them", () => {
  expect(findProgram("sftp-server", (path) => path === "/usr/libexec/openssh/sftp-server")).toBe(
    "/usr/libexec/openssh/sftp-server",
  );
});

test("a missing one is named with its package, and ends with status 69", () => {
  try {
    findProgram("sshd", () => false);
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(CodedError);
    expect((error as CodedError).details).toMatchObject({
      code: "openssh.missing",
      command: "apt-get install openssh-server",
    });
  }
});
