/** The trie against a scan of all filters. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
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
