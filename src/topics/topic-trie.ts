/**
 * Filters of which all that match a name are found at the cost of the name's depth and not of their number. A filter without a
 * wildcard is one entry of a map; the others are a tree by level that is taken apart no further than two filters need it.
 * Says the same as asking `filterMatches` for each of them (a test compares).
 */
import { type Held, valuesOf, withoutValue, withValue } from "./small-set.js";
import { filterMatches, isWildcard } from "./topic-name.js";

/** A filter that nobody shares its further levels with. */
class Leaf<Value> {
  readonly filter: string;
  held: Held<Value>;

  constructor(filter: string, held: Held<Value>) {
    this.filter = filter;
    this.held = held;
  }
}

type Slot<Value> = Branch<Value> | Leaf<Value>;

class Branch<Value> {
  /** By level. */
  #named: Map<string, Slot<Value>> | null = null;
  #any: Slot<Value> | undefined;
  /** Of filters that end here. */
  here: Held<Value>;
  /** Of filters that go on with `#`: they match this level (MQTT 3.1.1, 4.7.1.2) and everything below. */
  below: Held<Value>;

  get isEmpty(): boolean {
    const { here, below } = this;
    return this.#named === null && this.#any === undefined && here === undefined && below === undefined;
  }

  /** What filters go on with `+`. */
  get any(): Slot<Value> | undefined {
    return this.#any;
  }

  /** What filters go on with just this level of a name. */
  named(level: string): Slot<Value> | undefined {
    return this.#named?.get(level);
  }

  child(level: string): Slot<Value> | undefined {
    return level === "+" ? this.#any : this.named(level);
  }

  put(level: string, slot: Slot<Value>): void {
    if (level === "+") {
      this.#any = slot;
      return;
    }
    this.#named ??= new Map();
    this.#named.set(level, slot);
  }

  drop(level: string): void {
    if (level === "+") this.#any = undefined;
    else if (this.#named?.size === 1) this.#named = null;
    else this.#named?.delete(level);
  }
}

export class TopicTrie<Value extends NonNullable<unknown>> {
  readonly #exact = new Map<string, Held<Value>>();
  readonly #root = new Branch<Value>();

  /** Adds a value under a valid filter; the same pair twice counts once. */
  add(filter: string, value: Value): void {
    if (isWildcard(filter)) plant(this.#root, filter, value);
    else {
      const held = this.#exact.get(filter);
      const now = withValue(held, value);
      if (now !== held) this.#exact.set(filter, now);
    }
  }

  /** Takes the value away from the filter, and the levels that nothing needs any more. */
  remove(filter: string, value: Value): void {
    if (isWildcard(filter)) {
      uproot(this.#root, filter, 0, value);
      return;
    }
    const held = this.#exact.get(filter);
    const left = withoutValue(held, value);
    if (left === undefined) this.#exact.delete(filter);
    else if (left !== held) this.#exact.set(filter, left);
  }

  /** The values of all filters that match the name, each once. */
  match(name: string): Set<Value> {
    const found = new Set<Value>();
    collect(this.#exact.get(name), found);
    visit(this.#root, name, 0, found);
    return found;
  }

  /** Whether it holds nothing. */
  get isEmpty(): boolean {
    return this.#exact.size === 0 && this.#root.isEmpty;
  }
}

function collect<Value>(held: Held<Value>, found: Set<Value>): void {
  if (held !== undefined) for (const value of valuesOf(held)) found.add(value);
}

/** The end of the level that starts at `at`. A text of which no level is left has `at` behind its end by one. */
function levelEnd(text: string, at: number): number {
  const end = text.indexOf("/", at);
  return end === -1 ? text.length : end;
}

function plant<Value>(root: Branch<Value>, filter: string, value: Value): void {
  let branch = root;
  for (let at = 0; at <= filter.length; ) {
    const end = levelEnd(filter, at);
    const level = filter.slice(at, end);
    if (level === "#") {
      branch.below = withValue(branch.below, value);
      return;
    }
    at = end + 1;
    const slot = branch.child(level);
    if (slot instanceof Branch) branch = slot;
    else if (slot?.filter === filter) {
      slot.held = withValue(slot.held, value);
      return;
    } else if (slot === undefined) {
      branch.put(level, new Leaf(filter, value));
      return;
    } else {
      const fork = forkAt(slot, at);
      branch.put(level, fork);
      branch = fork;
    }
  }
  branch.here = withValue(branch.here, value);
}

/** A branch that holds the leaf, whose levels from `at` on are below it. */
function forkAt<Value>(leaf: Leaf<Value>, at: number): Branch<Value> {
  const { filter, held } = leaf;
  const fork = new Branch<Value>();
  const level = filter.slice(at, levelEnd(filter, at));
  if (at > filter.length) fork.here = held;
  else if (level === "#") fork.below = held;
  else fork.put(level, leaf);
  return fork;
}

/** `at` is where the levels below the branch begin. */
function uproot<Value>(branch: Branch<Value>, filter: string, at: number, value: Value): void {
  if (at > filter.length) {
    branch.here = withoutValue(branch.here, value);
    return;
  }
  const end = levelEnd(filter, at);
  const level = filter.slice(at, end);
  if (level === "#") {
    branch.below = withoutValue(branch.below, value);
    return;
  }
  const slot = branch.child(level);
  if (slot instanceof Branch) {
    uproot(slot, filter, end + 1, value);
    if (slot.isEmpty) branch.drop(level);
  } else if (slot?.filter === filter) {
    const held = withoutValue(slot.held, value);
    if (held === undefined) branch.drop(level);
    else slot.held = held;
  }
}

function visit<Value>(branch: Branch<Value>, name: string, at: number, found: Set<Value>): void {
  // Wildcards do not match a first level that begins with `$` (MQTT-4.7.2-1).
  const wildcardsMatch = at > 0 || !name.startsWith("$");
  if (wildcardsMatch) collect(branch.below, found);
  if (at > name.length) {
    collect(branch.here, found);
    return;
  }
  const end = levelEnd(name, at);
  follow(branch.named(name.slice(at, end)), name, end + 1, found);
  if (wildcardsMatch) follow(branch.any, name, end + 1, found);
}

function follow<Value>(slot: Slot<Value> | undefined, name: string, at: number, found: Set<Value>): void {
  if (slot instanceof Branch) visit(slot, name, at, found);
  else if (slot !== undefined && filterMatches(slot.filter, name)) collect(slot.held, found);
}
