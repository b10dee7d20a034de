/** Where the picture goes: redrawn in place on a terminal; elsewhere a line per node, every few seconds and when it has changed. */
import { cutTo, type NodeStatus, newestCommit, nodeLine, picture } from "./status-lines.js";

/** What a terminal is to us, so that tests can be one. */
export interface Output {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

const DEFAULT_COLUMNS = 120;
const UP = (rows: number): string => (rows === 0 ? "" : `\u001b[${rows}A`);
const CLEAR_BELOW = "\u001b[J";

/** Draws over what it drew before. */
export class TerminalScreen {
  readonly #output: Output;
  #rows = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  draw(nodes: readonly NodeStatus[], footer: string): void {
    const columns = this.#output.columns ?? DEFAULT_COLUMNS;
    const lines = [...picture(nodes), footer].map((line) => cutTo(line, columns));
    this.#output.write(`${UP(this.#rows)}\r${CLEAR_BELOW}${lines.join("\n")}\n`);
    this.#rows = lines.length;
  }
}

/** Writes the line of every node that has changed since it was last written. */
export class PlainScreen {
  readonly #output: Output;
  readonly #written = new Map<string, string>();

  constructor(output: Output) {
    this.#output = output;
  }

  draw(nodes: readonly NodeStatus[]): void {
    const commitIndex = newestCommit(nodes);
    for (const node of nodes) {
      const line = `${nodeLine(node, commitIndex)}  ${node.lastWarning}`.trimEnd();
      if (this.#written.get(node.id) === line) continue;
      this.#written.set(node.id, line);
      this.#output.write(`${line}\n`);
    }
  }
}
