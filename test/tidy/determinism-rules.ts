/**
 * The deterministic part reads no clock, draws no chance, sets no timer and opens no file by itself: it is handed ports, so that
 * one seed decides everything in a simulation.
 */
import { at, nameOf, type SourceFile, type SyntaxNode, walk } from "./source.js";

/** Directories under the rule. */
export const DETERMINISTIC = [
  "cluster/",
  "src/state-machine/",
  "src/commands/",
  "src/topics/",
  "src/replica/",
];

/** The real disk and the real network, which are the far side of the ports; and nothing else. */
export interface Exemption {
  readonly path: string;
  readonly reason: string;
}

/** Global names that are never used, however. */
const FORBIDDEN_NAMES: ReadonlySet<string> = new Set([
  "setTimeout",
  "setInterval",
  "setImmediate",
  "clearTimeout",
  "clearInterval",
  "clearImmediate",
  "Date",
  "performance",
  "crypto",
  "fetch",
]);

/** Members of globals that are otherwise fine. */
const FORBIDDEN_MEMBERS: ReadonlySet<string> = new Set([
  "Math.random",
  "process.hrtime",
  "process.nextTick",
  "process.uptime",
  "process.env",
  "process.pid",
]);

const FORBIDDEN_MODULES: ReadonlySet<string> = new Set([
  "node:fs",
  "node:fs/promises",
  "node:net",
  "node:tls",
  "node:http",
  "node:http2",
  "node:https",
  "node:dgram",
  "node:dns",
  "node:crypto",
  "node:timers",
  "node:timers/promises",
  "node:perf_hooks",
  "node:worker_threads",
  "node:child_process",
  "node:os",
]);

/** A name that is a key or a member (`x.Date`, `{ Date: 1 }`) is not the global. */
function isReference(node: SyntaxNode, parent: SyntaxNode | null): boolean {
  if (parent === null) return true;
  const isMember = parent.type === "MemberExpression" && parent["property"] === node;
  const keyed = [
    "Property",
    "PropertyDefinition",
    "MethodDefinition",
    "TSPropertySignature",
    "TSMethodSignature",
  ];
  const isKey = keyed.includes(parent.type) && parent["key"] === node && parent["shorthand"] !== true;
  return (!isMember && !isKey) || parent["computed"] === true;
}

/** Clocks, chance, timers and files in one file. */
export function outsideWorld(file: SourceFile): string[] {
  const found = file.imports
    .filter(({ target }) => FORBIDDEN_MODULES.has(target))
    .map(({ target, line }) => `${file.path}:${line}: imports ${target}`);
  walk(file.tree, (node, parent) => {
    const name = nameOf(node);
    if (name !== undefined && FORBIDDEN_NAMES.has(name) && isReference(node, parent)) {
      found.push(at(file, node, `uses ${name}`));
    }
    if (node.type !== "MemberExpression") return;
    const member = `${nameOf(node["object"])}.${nameOf(node["property"])}`;
    if (FORBIDDEN_MEMBERS.has(member)) found.push(at(file, node, `uses ${member}`));
    const isGlobal = nameOf(node["object"]) === "globalThis";
    if (isGlobal) found.push(at(file, node, `uses ${member}`));
  });
  return found;
}
