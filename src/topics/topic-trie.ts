/**
 * Filters as a tree by level, so that finding all that match a name costs the name's depth and not the number of filters.
 * Says the same as asking `filterMatches` for each of them (a test compares).
 */

interface Node<Value> {
  /** By level; the wildcard `+` is a level like any other, since no name has it. */
  readonly children: Map<string, Node<Value>>;
  /** Of filters that end here. */
  readonly here: Set<Value>;
  /** Of filters that go on with `#`: they match this level (MQTT 3.1.1, 4.7.1.2) and everything below. */
  readonly below: Set<Value>;
}

function emptyNode<Value>(): Node<Value> {
  return { children: new Map(), here: new Set(), below: new Set() };
}

export class TopicTrie<Value> {
  readonly #root = emptyNode<Value>();

  /** Adds a value under a valid filter; the same pair twice counts once. */
  add(filter: string, value: Value): void {
    let node = this.#root;
    for (const level of filter.split("/")) {
      if (level === "#") {
        node.below.add(value);
        return;
      }
      let child = node.children.get(level);
      if (child === undefined) {
        child = emptyNode();
        node.children.set(level, child);
      }
      node = child;
    }
    node.here.add(value);
  }

  /** Takes the value away from the filter, and the levels that nothing needs any more. */
  remove(filter: string, value: Value): void {
    const levels = filter.split("/");
    const path: Node<Value>[] = [this.#root];
    let node = this.#root;
    for (const level of levels) {
      if (level === "#") break;
      const child = node.children.get(level);
      if (child === undefined) return;
      path.push(child);
      node = child;
    }
    (levels.at(-1) === "#" ? node.below : node.here).delete(value);
    for (let depth = path.length - 1; depth > 0; depth -= 1) {
      const last = path[depth];
      if (last === undefined || last.children.size + last.here.size + last.below.size > 0) return;
      path[depth - 1]?.children.delete(levels[depth - 1] ?? "");
    }
  }

  /** The values of all filters that match the name, each once. */
  match(name: string): Set<Value> {
    const found = new Set<Value>();
    visit(this.#root, name.split("/"), 0, found);
    return found;
  }

  /** Whether it holds nothing. */
  get isEmpty(): boolean {
    return this.#root.children.size + this.#root.below.size === 0;
  }
}

function visit<Value>(node: Node<Value>, levels: readonly string[], depth: number, found: Set<Value>): void {
  const level = levels[depth];
  const wildcardsMatch = depth > 0 || level?.startsWith("$") !== true;
  if (wildcardsMatch) for (const value of node.below) found.add(value);
  if (level === undefined) {
    for (const value of node.here) found.add(value);
    return;
  }
  const exact = node.children.get(level);
  if (exact !== undefined) visit(exact, levels, depth + 1, found);
  const any = wildcardsMatch ? node.children.get("+") : undefined;
  if (any !== undefined) visit(any, levels, depth + 1, found);
}
