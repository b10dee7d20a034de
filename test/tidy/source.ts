/** Sources as the tidy rules see them: path, text, syntax tree and what they import. Parsed by the parser that vitest brings. */
import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { dirname, join, normalize } from "node:path/posix";
import { fileURLToPath } from "node:url";
import { parseAst } from "vitest/node";

/** A node of the syntax tree (ESTree with TypeScript's additions). */
export interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

/** Something that a file refers to. */
export interface Import {
  /** A path from the repository's root (`src/errors.ts`), `node:fs`, or `npm:pkg`. */
  readonly target: string;
  readonly line: number;
}

export interface SourceFile {
  /** From the repository's root. */
  readonly path: string;
  readonly text: string;
  readonly tree: SyntaxNode;
  readonly imports: readonly Import[];
}

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === "object" && value !== null && "type" in value && "start" in value;
}

/** The nodes right below one. */
function childrenOf(node: SyntaxNode): SyntaxNode[] {
  return Object.values(node).flatMap((value): SyntaxNode[] => {
    if (Array.isArray(value)) return value.filter(isNode);
    return isNode(value) ? [value] : [];
  });
}

/** Calls `visit` for a node and all below it. */
export function walk(node: SyntaxNode, visit: (node: SyntaxNode, parent: SyntaxNode | null) => void): void {
  const step = (at: SyntaxNode, parent: SyntaxNode | null): void => {
    visit(at, parent);
    for (const child of childrenOf(at)) step(child, at);
  };
  step(node, null);
}

/** The name of an identifier, and of nothing else. */
export function nameOf(node: unknown): string | undefined {
  return isNode(node) && node.type === "Identifier" ? String(node["name"]) : undefined;
}

/** The value of a string literal, and of nothing else. */
export function stringOf(node: unknown): string | undefined {
  return isNode(node) && node.type === "Literal" && typeof node["value"] === "string"
    ? node["value"]
    : undefined;
}

/** Lines are counted from 1. */
export function lineOf(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < offset; at = text.indexOf("\n", at + 1)) line += 1;
  return line;
}

/** What a node refers to when it is an import of any kind, or `new URL("./x.js", import.meta.url)`, which starts workers. */
function specifierOf(node: SyntaxNode): string | undefined {
  switch (node.type) {
    case "ImportDeclaration":
    case "ExportNamedDeclaration":
    case "ExportAllDeclaration":
    case "ImportExpression":
    case "TSImportType":
      return stringOf(node["source"]);
    case "NewExpression": {
      const [first, second] = Array.isArray(node["arguments"]) ? node["arguments"] : [];
      const isOurs = nameOf(node["callee"]) === "URL" && isNode(second) && second.type === "MemberExpression";
      const path = stringOf(first);
      return isOurs && path !== undefined && /^\.\.?\/.*\.js$/.test(path) ? path : undefined;
    }
    default:
      return undefined;
  }
}

/** The source of a compiled file: both are named by imports, the second by tests that start the built program. */
function sourceOf(path: string): string {
  return path.replace(/^dist\//, "").replace(/\.js$/, ".ts");
}

function targetOf(path: string, specifier: string): string {
  if (specifier.startsWith(".")) return sourceOf(normalize(join(dirname(path), specifier)));
  if (specifier.startsWith("node:")) return specifier;
  if (builtinModules.includes(specifier)) return `node:${specifier}`;
  const [scope = "", name] = specifier.split("/");
  return `npm:${scope.startsWith("@") ? `${scope}/${name}` : scope}`;
}

function treeOf(path: string, text: string): unknown {
  try {
    return parseAst(text, { lang: "ts" }, path);
  } catch (cause) {
    throw new Error(`${path} is not TypeScript: ${String(cause)}`, { cause });
  }
}

/** Parses one file. Throws when it is not TypeScript. */
export function parseSource(path: string, text: string): SourceFile {
  const tree = treeOf(path, text);
  if (!isNode(tree)) throw new Error(`the parser gave no tree for ${path}`);
  const imports: Import[] = [];
  walk(tree, (node) => {
    const specifier = specifierOf(node);
    if (specifier === undefined) return;
    imports.push({ target: targetOf(path, specifier), line: lineOf(text, node.start) });
  });
  return { path, text, tree, imports };
}

/** Every TypeScript file below some directories of the repository; a directory that is not there has none. */
export function readSources(...directories: readonly string[]): SourceFile[] {
  return directories.flatMap((directory) =>
    entriesOf(join(ROOT, directory))
      .filter((entry) => entry.endsWith(".ts") && !entry.endsWith(".d.ts"))
      .map((entry) =>
        parseSource(join(directory, entry), readFileSync(join(ROOT, directory, entry), "utf8")),
      ),
  );
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory, { recursive: true, encoding: "utf8" }).sort();
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}

/** The text of a file of the repository. */
export function readText(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

/** A complaint: `src/a.ts:3: why`. */
export function at(file: SourceFile, node: SyntaxNode, why: string): string {
  return `${file.path}:${lineOf(file.text, node.start)}: ${why}`;
}
