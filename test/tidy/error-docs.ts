/** Error codes in the sources against the codes in docs/errors.md, both ways. */
import { isNode, nameOf, type SourceFile, stringOf, walk } from "./source.js";

/** Codes that the page documents: the first cell of each row of its tables, as code. */
export function documentedCodes(page: string): string[] {
  return [...page.matchAll(/^\| `([a-z0-9_]+)` \|/gm)].map(([, code = ""]) => code);
}

/** The words of a union type of a file: `type Name = "a" | "b"`. */
export function wordsOfUnion(file: SourceFile, name: string): string[] {
  const words: string[] = [];
  walk(file.tree, (node) => {
    if (node.type !== "TSTypeAliasDeclaration" || nameOf(node["id"]) !== name) return;
    walk(node, (inner) => {
      const word = inner.type === "TSLiteralType" ? stringOf(inner["literal"]) : undefined;
      if (word !== undefined) words.push(word);
    });
  });
  return words;
}

const ERROR_CLASSES: ReadonlySet<string | undefined> = new Set([
  "FatalError",
  "ClusterError",
  "JangadaError",
  "ClientFailure",
]);

/** Codes with which errors are made somewhere: `new FatalError("port_taken", ...)`, also when chosen by a condition. */
export function thrownCodes(files: readonly SourceFile[]): string[] {
  const codes = new Set<string>();
  for (const { tree } of files) {
    walk(tree, (node) => {
      if (node.type !== "NewExpression" || !ERROR_CLASSES.has(nameOf(node["callee"]))) return;
      const [first] = Array.isArray(node["arguments"]) ? node["arguments"] : [];
      const choices =
        isNode(first) && first.type === "ConditionalExpression"
          ? [first["consequent"], first["alternate"]]
          : [first];
      for (const choice of choices) {
        const code = stringOf(choice);
        if (code !== undefined) codes.add(code);
      }
    });
  }
  return [...codes];
}
