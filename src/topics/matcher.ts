/** A test for many names against one filter set. */
import type { FilterSet } from "./filter-set.js";
import { TopicTrie } from "./topic-trie.js";

/** For so many filters a tree pays when there are many names to ask about. */
const FILTERS_FOR_A_TREE = 16;

/** Says the same as `filters.matches`, quickly for many filters and many names. */
export function matcherOf(filters: FilterSet): (name: string) => boolean {
  if (filters.filters.length < FILTERS_FOR_A_TREE) return (name) => filters.matches(name);
  const tree = new TopicTrie<true>();
  for (const { filter } of filters.filters) tree.add(filter, true);
  return (name) => tree.match(name).size > 0;
}
