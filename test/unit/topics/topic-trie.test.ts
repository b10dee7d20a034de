/** The trie against a scan of all filters, and its memory. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../src/runtime/random.js";
import { filterMatches } from "../../../src/topics/topic-name.js";
import { TopicTrie } from "../../../src/topics/topic-trie.js";

// Few letters, so that filters and names meet; empty levels and `$` among them.
const level = fc.constantFrom("a", "b", "", "$a", "ab");
const name = fc.array(level, { minLength: 1, maxLength: 5 }).map((levels) => levels.join("/"));
const filter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant("+")), { maxLength: 4 }), fc.boolean())
  .filter(([levels, rest]) => levels.length > 0 || rest)
  .map(([levels, rest]) => [...levels, ...(rest ? ["#"] : [])].join("/"));

describe("the trie says what a scan of all filters says", () => {
  test("after any additions and removals", () => {
    const step = fc.record({ filter, value: fc.nat(7), remove: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.array(name, { maxLength: 10 }), (steps, names) => {
        const trie = new TopicTrie<number>();
        const pairs = new Map<string, { filter: string; value: number }>();
        for (const { filter, value, remove } of steps) {
          const pair = `${value} ${filter}`;
          if (remove) {
            trie.remove(filter, value);
            pairs.delete(pair);
          } else {
            trie.add(filter, value);
            pairs.set(pair, { filter, value });
          }
        }
        for (const name of names) {
          const expected = new Set<number>();
          for (const pair of pairs.values()) if (filterMatches(pair.filter, name)) expected.add(pair.value);
          expect([...trie.match(name)].sort()).toEqual([...expected].sort());
        }
        for (const { filter, value } of pairs.values()) trie.remove(filter, value);
        expect(trie.isEmpty).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test("with every filter of two levels and a `#`, and several values under each, until the last is gone", () => {
    const levels = ["a", "b", "", "+"];
    const filters = levels
      .flatMap((one) => [one, ...levels.flatMap((two) => [`${one}/${two}`, `${one}/${two}/#`]), `${one}/#`])
      .concat("#");
    const pairs = filters.flatMap((filter) =>
      [0, 1, 2].map((value) => ({ filter, value: `${value} ${filter}` })),
    );
    const trie = new TopicTrie<string>();
    for (const { filter, value } of pairs) trie.add(filter, value);
    const random = seededRandom(4);
    while (pairs.length > 0) {
      for (const name of ["a", "a/b", "/", "b//a", "$a/b", "a/b/c"]) {
        const expected = pairs.filter(({ filter }) => filterMatches(filter, name)).map(({ value }) => value);
        expect([...trie.match(name)].sort()).toEqual(expected.sort());
      }
      const [gone] = pairs.splice(Math.floor(random.unit() * pairs.length), 1);
      trie.remove(gone!.filter, gone!.value);
    }
    expect(trie.isEmpty).toBe(true);
  });

  test("filterMatches itself agrees with the standard's words, level by level", () => {
    fc.assert(
      fc.property(filter, name, (filter, name) => {
        expect(filterMatches(filter, name)).toBe(matchesByLevels(filter.split("/"), name.split("/")));
      }),
      { numRuns: 2_000 },
    );
  });
});

function matchesByLevels(filter: string[], name: string[]): boolean {
  if (name[0]!.startsWith("$") && (filter[0] === "+" || filter[0] === "#")) return false;
  const rest = filter.indexOf("#");
  if (rest === -1 && filter.length !== name.length) return false;
  if (rest > name.length) return false;
  return filter
    .slice(0, rest === -1 ? undefined : rest)
    .every((part, at) => part === "+" || part === name[at]);
}

test("a value under several matching filters comes once", () => {
  const trie = new TopicTrie<string>();
  for (const filter of ["#", "a/#", "a/+", "a/b"]) trie.add(filter, "x");
  expect([...trie.match("a/b")]).toEqual(["x"]);
  trie.remove("a/+", "x");
  expect([...trie.match("a/b")]).toEqual(["x"]);
});

test("taking away what is not there changes nothing", () => {
  const trie = new TopicTrie<string>();
  trie.add("a/b", "x");
  for (const filter of ["a", "a/b/c", "a/#", "z"]) trie.remove(filter, "x");
  trie.remove("a/b", "y");
  expect([...trie.match("a/b")]).toEqual(["x"]);
});

describe("a filter costs little more than its text", () => {
  const COUNT = 50_000;

  test.each([
    ["exact", (i: number) => `site/${i % 50}/device/${i}/cmd`, 80],
    ["with wildcards", (i: number) => `site/+/device/${i}/#`, 160],
  ])("%s", (_, filterOf, bytesMax) => {
    const filters = Array.from({ length: COUNT }, (_, i) => Buffer.from(filterOf(i)).toString());
    const before = heapBytes();
    const trie = new TopicTrie<string>();
    for (const filter of filters) trie.add(filter, filter);
    const bytes = (heapBytes() - before) / COUNT;
    expect(bytes).toBeLessThan(bytesMax);
    expect(trie.match("site/7/device/7/cmd").size).toBe(1);
  });
});

function heapBytes(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}
