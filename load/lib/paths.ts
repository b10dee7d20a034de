/** Where things are: the repository, the built server, the programs of this machine. */
import { accessSync, constants, existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";

/** The directory with package.json above this file, whether it runs from `load/` or from `dist/load/`. */
export function repositoryRoot(): string {
  let directory = import.meta.dirname;
  while (!existsSync(join(directory, "package.json"))) {
    const parent = dirname(directory);
    if (parent === directory) throw new Error("no package.json above this file");
    directory = parent;
  }
  return directory;
}

/** A built file below `dist/`. Throws with the command that builds it when it is missing. */
export function builtFile(...parts: string[]): string {
  const file = join(repositoryRoot(), "dist", ...parts);
  if (!existsSync(file)) throw new Error(`${file} is missing: run "npm run build" first`);
  return file;
}

/** Full path of a program, or null when this machine does not have it. Looks in PATH and in the sbin directories. */
export function findProgram(name: string): string | null {
  const directories = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/usr/local/sbin"];
  for (const directory of directories) {
    const file = join(directory, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not here: look in the next directory.
    }
  }
  return null;
}
