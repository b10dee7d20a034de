/** Rules about who imports whom: the table, the engine's one importer, and files that nobody reaches. */
import type { Row } from "./import-table.js";
import type { SourceFile } from "./source.js";

function covers(pattern: string, target: string): boolean {
  if (pattern.endsWith("/") || pattern === "node:" || pattern === "npm:") return target.startsWith(pattern);
  return target === pattern;
}

function rowOf(path: string, table: readonly Row[]): Row | undefined {
  const rows = table.filter(({ files }) => covers(files, path));
  return rows.sort((a, b) => b.files.length - a.files.length)[0];
}

/** Imports that the table does not allow, and files that it does not know. */
export function forbiddenImports(files: readonly SourceFile[], table: readonly Row[]): string[] {
  return files.flatMap(({ path, imports }) => {
    const row = rowOf(path, table);
    if (row === undefined) return [`${path}: is in no row of the import table`];
    const allowed = row.files.endsWith("/") ? [row.files, ...row.may] : row.may;
    return imports
      .filter(({ target }) => !allowed.some((pattern) => covers(pattern, target)))
      .map(({ target, line }) => `${path}:${line}: ${row.files} may not import ${target}`);
  });
}

/** Files that import a package. */
export function importersOf(files: readonly SourceFile[], packageName: string): string[] {
  return files
    .filter(({ imports }) => imports.some(({ target }) => target === `npm:${packageName}`))
    .map(({ path }) => path);
}

/** Everything that can be reached from some files by imports, these included. */
export function reachable(files: readonly SourceFile[], roots: readonly string[]): Set<string> {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const reached = new Set<string>();
  const waiting = [...roots];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    waiting.push(...(byPath.get(path)?.imports.map(({ target }) => target) ?? []));
  }
  return reached;
}

/** Those of `judged` that no root reaches. */
export function deadFiles(
  files: readonly SourceFile[],
  roots: readonly string[],
  judged: readonly string[],
): string[] {
  const reached = reachable(files, roots);
  return judged.filter((path) => !reached.has(path));
}

/** Imports of files that are not there: a scanner that resolves wrongly would judge nothing. */
export function danglingImports(files: readonly SourceFile[]): string[] {
  const paths = new Set(files.map(({ path }) => path));
  return files.flatMap(({ path, imports }) =>
    imports
      .filter(({ target }) => !/^(node|npm):/.test(target) && !paths.has(target))
      .map(({ target, line }) => `${path}:${line}: there is no ${target}`),
  );
}
