/** What was dropped or chosen: files with their paths, also those of whole folders. */

export interface Dropped {
  files: { path: string; file: File }[];
  /** Folders that would not come with a file. */
  folders: string[];
}

/** The browser gives a folder's entries a hundred at a time. */
async function entriesIn(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return all;
    all.push(...some);
  }
}

/** Must be called within the event: afterwards the browser forgets the items. */
export async function droppedFiles(data: DataTransfer): Promise<Dropped> {
  const roots = [...data.items]
    .filter(({ kind }) => kind === "file")
    .map((item) => ({ entry: item.webkitGetAsEntry(), file: item.getAsFile() }));
  const found: Dropped = { files: [], folders: [] };
  const walk = async (entry: FileSystemEntry, path: string): Promise<void> => {
    if (entry.isDirectory) {
      found.folders.push(path);
      for (const child of await entriesIn(entry as FileSystemDirectoryEntry))
        await walk(child, `${path}/${child.name}`);
      return;
    }
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    found.files.push({ path, file });
  };
  for (const { entry, file } of roots) {
    if (entry) await walk(entry, entry.name);
    else if (file) found.files.push({ path: file.name, file });
  }
  return found;
}

/** Of a file field; `webkitdirectory` has paths. */
export function chosenFiles(list: FileList | null): Dropped {
  const files = [...(list ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
  return { files, folders: [] };
}
