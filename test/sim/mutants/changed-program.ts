/** A copy of the built program with some lines changed, in a directory of its own. */
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../../../load/lib/paths.js";
import { removeDirectory, temporaryDirectory } from "../../../load/lib/support.js";
import type { Edit, Mutant } from "./mutant.js";

/** The package of the engine: the only one that is ever changed. */
const SCOPE = "@coaty";
const PACKAGE = "consensus.raft";

/** Where the simulator of a changed program is, and how to be rid of it. */
export interface ChangedProgram {
  /** As `Worker` takes it. */
  readonly directory: string;
  remove(): void;
}

/** Packages are linked, apart from the engine, which is copied when it is to be changed. */
function provideModules(root: string, to: string, isEngineChanged: boolean): void {
  const from = join(root, "node_modules");
  if (!isEngineChanged) {
    symlinkSync(from, to);
    return;
  }
  mkdirSync(join(to, SCOPE), { recursive: true });
  for (const name of readdirSync(from)) if (name !== SCOPE) symlinkSync(join(from, name), join(to, name));
  for (const name of readdirSync(join(from, SCOPE))) {
    const [source, target] = [join(from, SCOPE, name), join(to, SCOPE, name)];
    if (name === PACKAGE) cpSync(source, target, { recursive: true, dereference: true });
    else symlinkSync(source, target);
  }
}

function apply(base: string, { file, find, replace }: Edit): void {
  const path = join(base, file);
  const text = readFileSync(path, "utf8");
  const parts = text.split(find);
  if (parts.length !== 2) throw new Error(`${file} has this ${parts.length - 1} times, not once: ${find}`);
  writeFileSync(path, parts.join(replace));
}

/** Throws when a text to be changed is not there exactly once. */
export function changedProgram({ edits }: Mutant): ChangedProgram {
  const root = repositoryRoot();
  const base = temporaryDirectory("mutant");
  cpSync(join(root, "dist"), join(base, "dist"), { recursive: true });
  cpSync(join(root, "package.json"), join(base, "package.json"));
  provideModules(
    root,
    join(base, "node_modules"),
    edits.some(({ file }) => file.startsWith("node_modules/")),
  );
  for (const change of edits) apply(base, change);
  return { directory: join(base, "dist", "test", "sim"), remove: () => removeDirectory(base) };
}
