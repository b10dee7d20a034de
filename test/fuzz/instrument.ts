/**
 * Puts a counter at every branch of a module, and a meter at every comparison, so that the fuzzer sees what an input reached. Text goes in
 * at places that the parser gives; no line moves, so that stack traces still hold.
 */
import { parseAst } from "vitest/node";

/** A node of the syntax tree (ESTree). */
interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

export interface Instrumented {
  readonly code: string;
  readonly branches: number;
  readonly comparisons: number;
  /** Words and numbers of the source that may be parts of the format. */
  readonly literals: readonly (string | number)[];
}

/** Where the counters are found: coverage.ts puts them there. */
export const GLOBAL = "__fuzzCoverage";

/** Names of what a module's first line makes. */
const COUNTERS = "__fuzzCounters";
const EQUALS = "__fuzzEquals";
const SIZED = "__fuzzSized";

const WORD = /^[\w$./+#:=-]{2,32}$/;
const FUNCTIONS: ReadonlySet<string> = new Set([
  "FunctionDeclaration",
  "FunctionExpression",
  "ArrowFunctionExpression",
]);
const LOOPS: ReadonlySet<string> = new Set([
  "ForStatement",
  "ForInStatement",
  "ForOfStatement",
  "WhileStatement",
  "DoWhileStatement",
]);
/** Constructors that take room at once. */
const SIZED_TYPES: ReadonlySet<unknown> = new Set([
  "Array",
  "ArrayBuffer",
  "Uint8Array",
  "Uint16Array",
  "Uint32Array",
  "Int32Array",
  "Float64Array",
]);

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === "object" && value !== null && typeof Reflect.get(value, "type") === "string";
}

function childrenOf(node: SyntaxNode): SyntaxNode[] {
  return Object.values(node).flatMap((value) => (Array.isArray(value) ? value : [value]).filter(isNode));
}

/** What is put into the text, by position; at one position the inner pieces are nearer to the code that they enclose. */
class Insertions {
  readonly #before = new Map<number, string>();
  readonly #after = new Map<number, string>();
  /** Text that goes, by where it begins. */
  readonly #gone = new Map<number, number>();

  /** Text that opens something at `position`: outer pieces come first, as parents are visited first. */
  open(position: number, text: string): void {
    this.#before.set(position, (this.#before.get(position) ?? "") + text);
  }

  /** Text that closes something at `position`: inner pieces come first. */
  close(position: number, text: string): void {
    this.#after.set(position, text + (this.#after.get(position) ?? ""));
  }

  replace(start: number, end: number, text: string): void {
    this.#gone.set(start, end);
    this.open(start, text);
  }

  applyTo(source: string): string {
    const positions = [...new Set([...this.#before.keys(), ...this.#after.keys()])].sort((a, b) => a - b);
    let code = "";
    let at = 0;
    for (const position of positions) {
      code +=
        source.slice(at, position) + (this.#after.get(position) ?? "") + (this.#before.get(position) ?? "");
      at = this.#gone.get(position) ?? position;
    }
    return code + source.slice(at);
  }
}

class Instrumenter {
  readonly insertions = new Insertions();
  readonly literals = new Set<string | number>();
  branches = 0;
  comparisons = 0;
  readonly #source: string;

  constructor(source: string) {
    this.#source = source;
  }

  visit(node: SyntaxNode): void {
    if (node.type === "ImportDeclaration" || node.type === "ExportAllDeclaration") return;
    this.#mark(node);
    for (const child of childrenOf(node)) this.visit(child);
  }

  #mark(node: SyntaxNode): void {
    const { type } = node;
    if (type === "Literal") this.#literal(node["value"]);
    else if (type === "IfStatement") this.#if(node);
    else if (LOOPS.has(type)) this.#statement(node["body"]);
    else if (FUNCTIONS.has(type)) this.#function(node);
    else if (type === "ConditionalExpression") {
      this.#expression(node["consequent"]);
      this.#expression(node["alternate"]);
    } else if (type === "LogicalExpression") this.#expression(node["right"]);
    else if (type === "SwitchCase") this.#case(node);
    else if (type === "CatchClause") this.#statement(node["body"]);
    else if (type === "BinaryExpression") this.#comparison(node);
    else if (type === "NewExpression") this.#sized(node);
  }

  #counter(): string {
    this.branches += 1;
    return `${COUNTERS}[${this.branches - 1}]++`;
  }

  #if(node: SyntaxNode): void {
    const { consequent, alternate } = node;
    // Before what closes the consequent at the same place: closing texts go to the front.
    if (isNode(alternate)) this.#statement(alternate);
    else this.insertions.close(node.end, ` else {${this.#counter()};}`);
    this.#statement(consequent);
  }

  #statement(body: unknown): void {
    if (!isNode(body)) return;
    if (body.type === "BlockStatement") {
      this.insertions.open(body.start + 1, `${this.#counter()};`);
      return;
    }
    this.insertions.open(body.start, `{${this.#counter()};`);
    this.insertions.close(body.end, "}");
  }

  #function({ body }: SyntaxNode): void {
    if (!isNode(body)) return;
    if (body.type === "BlockStatement") this.insertions.open(body.start + 1, `${this.#counter()};`);
    else this.#expression(body);
  }

  #expression(node: unknown): void {
    if (!isNode(node)) return;
    this.insertions.open(node.start, `(${this.#counter()},`);
    this.insertions.close(node.end, ")");
  }

  #case({ consequent }: SyntaxNode): void {
    const [first] = Array.isArray(consequent) ? consequent.filter(isNode) : [];
    if (first !== undefined) this.insertions.open(first.start, `${this.#counter()};`);
  }

  #comparison({ operator, left, right, start, end }: SyntaxNode): void {
    if (operator !== "===" && operator !== "!==") return;
    if (!isNode(left) || !isNode(right) || isTrivial(left) || isTrivial(right)) return;
    const negated = operator === "!==" ? "!" : "";
    this.insertions.open(start, `(${negated}${EQUALS}(${this.comparisons},`);
    const at = this.#source.indexOf(operator, left.end);
    this.insertions.replace(at, at + operator.length, ",");
    this.insertions.close(end, "))");
    this.comparisons += 1;
  }

  #sized({ callee, arguments: values }: SyntaxNode): void {
    const [only, ...others] = Array.isArray(values) ? values.filter(isNode) : [];
    if (!isNode(callee) || !SIZED_TYPES.has(callee["name"]) || only === undefined || others.length > 0)
      return;
    if (only.type === "SpreadElement") return;
    this.insertions.open(only.start, `${SIZED}(`);
    this.insertions.close(only.end, ")");
  }

  #literal(value: unknown): void {
    if (typeof value === "number" && value > 255) this.literals.add(value);
    else if (typeof value === "string" && WORD.test(value)) this.literals.add(value);
  }
}

/** What any two inputs give alike, or what no input can come near to by degrees. */
function isTrivial({ type, value, operator, name }: SyntaxNode): boolean {
  if (type === "Literal") return value === null || typeof value === "boolean" || value === "" || value === 0;
  return (type === "UnaryExpression" && operator === "typeof") || name === "undefined";
}

/** Instruments the source of an ES module or, with `isScript`, of a CommonJS one. `path` is what its branches are reported under. */
export function instrument(source: string, isScript = false, path = ""): Instrumented {
  const tree: unknown = parseAst(source, { lang: "js", sourceType: isScript ? "script" : "module" });
  if (!isNode(tree)) throw new Error("the source could not be parsed");
  const instrumenter = new Instrumenter(source);
  instrumenter.visit(tree);
  const { branches, comparisons, insertions } = instrumenter;
  const literals = [...instrumenter.literals];
  const facts = JSON.stringify({ path, branches, comparisons, literals });
  const made = `globalThis.${GLOBAL}.module(${facts})`;
  const head = `const [${COUNTERS},${EQUALS},${SIZED}]=${made};`;
  return { code: head + insertions.applyTo(source), branches, comparisons, literals };
}
