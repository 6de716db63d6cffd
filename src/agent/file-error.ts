import { CodedError, errnoOf, messageOf } from "../core/errors.ts";

const BY_ERRNO: Record<string, { code: string; title: string; status: number; fix?: string }> = {
  ENOENT: { code: "file.not-found", title: "There is no such file or folder", status: 404 },
  ENOTDIR: { code: "file.not-a-folder", title: "A part of the path is no folder", status: 409 },
  EISDIR: { code: "file.is-a-folder", title: "That is a folder", status: 409 },
  EEXIST: { code: "file.exists", title: "There is something of that name already", status: 409 },
  ENOTEMPTY: { code: "file.not-empty", title: "The folder is not empty", status: 409 },
  EACCES: { code: "file.denied", title: "The project may not do that", status: 403 },
  EPERM: { code: "file.denied", title: "The project may not do that", status: 403 },
  EROFS: { code: "file.read-only", title: "That part of the file system cannot be written", status: 403 },
  ELOOP: { code: "file.link-loop", title: "The links lead around in a circle", status: 409 },
  ENAMETOOLONG: { code: "file.name-too-long", title: "The name is too long", status: 400 },
  ENOSPC: {
    code: "file.no-space",
    title: "The project's disk is full",
    status: 507,
    fix: "Delete something, or ask for a larger limit.",
  },
  EDQUOT: {
    code: "file.no-space",
    title: "The project's disk limit is reached",
    status: 507,
    fix: "Delete something, or ask for a larger limit.",
  },
  EXDEV: { code: "file.other-disk", title: "A file cannot be renamed onto another file system", status: 409 },
  EBUSY: { code: "file.busy", title: "That is in use", status: 409 },
  ETXTBSY: { code: "file.busy", title: "That program is running", status: 409 },
  EMFILE: { code: "file.too-many-open", title: "The project has too many files open", status: 503 },
};

/** What a system call's failure means to a person; a coded error passes as it is. */
export function fileError(error: unknown, path: string): CodedError {
  if (error instanceof CodedError) return error;
  const known = BY_ERRNO[errnoOf(error) ?? ""];
  const name = path.slice(0, 300);
  if (known === undefined) {
    return new CodedError(
      { code: "file.failed", title: `${name}: the file system refused`, why: messageOf(error), status: 500 },
      { cause: error },
    );
  }
  const { title, ...rest } = known;
  return new CodedError({ ...rest, title: `${title}: ${name}` }, { cause: error });
}

/** Where something of that name is already. */
export function existsAlready(path: string): CodedError {
  return new CodedError({
    code: "file.exists",
    title: `There is something of that name already: ${path.slice(0, 300)}`,
    why: "Nothing was written over it.",
    fix: "Replace it, keep both, or choose another name.",
    status: 409,
  });
}
