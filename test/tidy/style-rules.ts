/** Rules about how a file is written: its size, its functions' size, its types, and words that have no place in it. */
import { at, isNode, nameOf, type SourceFile, type SyntaxNode, walk } from "./source.js";

export const FILE_LINES_MAX = 400;
export const FUNCTION_LINES_MAX = 70;

/** Complaints about the nodes of a file. */
function complaints(
  file: SourceFile,
  judge: (node: SyntaxNode, parent: SyntaxNode | null) => string | undefined,
): string[] {
  const found: string[] = [];
  walk(file.tree, (node, parent) => {
    const why = judge(node, parent);
    if (why !== undefined) found.push(at(file, node, why));
  });
  return found;
}

function lineCount(text: string): number {
  return text.endsWith("\n") ? text.split("\n").length - 1 : text.split("\n").length;
}

export function longFile(file: SourceFile): string[] {
  const lines = lineCount(file.text);
  return lines > FILE_LINES_MAX ? [`${file.path}: ${lines} lines, ${FILE_LINES_MAX} is the limit`] : [];
}

const FUNCTIONS: ReadonlySet<string> = new Set([
  "FunctionDeclaration",
  "FunctionExpression",
  "ArrowFunctionExpression",
]);

/** Functions of every kind, from their first line to their last; what is nested counts in what it is nested in. */
export function longFunctions(file: SourceFile): string[] {
  return complaints(file, (node) => {
    if (!FUNCTIONS.has(node.type)) return undefined;
    const lines = lineCount(file.text.slice(node.start, node.end));
    return lines > FUNCTION_LINES_MAX
      ? `a function of ${lines} lines, ${FUNCTION_LINES_MAX} is the limit`
      : undefined;
  });
}

export function defaultExports(file: SourceFile): string[] {
  return complaints(file, (node) =>
    node.type === "ExportDefaultDeclaration" ? "a default export" : undefined,
  );
}

/** `any`, and casts through `unknown`, which switch the checks off. */
export function uncheckedTypes(file: SourceFile): string[] {
  return complaints(file, (node) => {
    if (node.type === "TSAnyKeyword") return "the type any";
    if (node.type !== "TSAsExpression") return undefined;
    const inner = node["expression"];
    const throughUnknown =
      isNode(inner) &&
      inner.type === "TSAsExpression" &&
      isNode(inner["typeAnnotation"]) &&
      inner["typeAnnotation"].type === "TSUnknownKeyword";
    return throughUnknown ? "a cast through unknown" : undefined;
  });
}

/** `value!`: outside tests a missing value is dealt with. */
export function nonNullAssertions(file: SourceFile): string[] {
  return complaints(file, (node) =>
    node.type === "TSNonNullExpression" ? "a non-null assertion" : undefined,
  );
}

const TEST_FUNCTIONS: ReadonlySet<string | undefined> = new Set(["describe", "it", "test", "suite"]);
const SWITCHES: ReadonlySet<string | undefined> = new Set([
  "only",
  "skip",
  "todo",
  "fails",
  "skipIf",
  "runIf",
]);

/** Tests that are switched off, or switch the others off. */
export function switchedTests(file: SourceFile): string[] {
  return complaints(file, (node) => {
    if (node.type !== "MemberExpression" || !SWITCHES.has(nameOf(node["property"]))) return undefined;
    const root = rootOf(node["object"]);
    return TEST_FUNCTIONS.has(root) ? `${root}.${nameOf(node["property"])}` : undefined;
  });
}

/** `describe` in `describe.each(...).only`. */
function rootOf(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === "MemberExpression") return rootOf(node["object"]);
  if (node.type === "CallExpression") return rootOf(node["callee"]);
  return nameOf(node);
}

/** Promises to do it later, and orders to the tools to look away. Written apart, so that this file keeps its own rule. */
const FORBIDDEN_WORDS = [
  "TO" + "DO",
  "FIX" + "ME",
  "XX" + "X",
  "@ts-" + "ignore",
  "@ts-" + "nocheck",
  "@ts-" + "expect-error",
  "biome-" + "ignore",
  "eslint-" + "disable",
];

export function forbiddenWords(file: SourceFile): string[] {
  return file.text
    .split("\n")
    .flatMap((line, index) =>
      FORBIDDEN_WORDS.filter((word) => new RegExp(`(^|[^A-Za-z])${word}(?![A-Za-z])`).test(line)).map(
        (word) => `${file.path}:${index + 1}: ${word}`,
      ),
    );
}

/** A file opens with its idea. */
export function missingIdea(file: SourceFile): string[] {
  const text = file.text.replace(/^#![^\n]*\n/, "");
  return text.startsWith("/**") ? [] : [`${file.path}:1: does not open with a doc comment`];
}
