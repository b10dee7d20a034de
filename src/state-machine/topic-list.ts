/**
 * Topics in name order, for listing by prefix page by page. Sorting waits until somebody asks: what came since is sorted
 * and merged in, what went is left out, so that a page costs a search and a burst of new topics one merge.
 */
import { firstIndex } from "./first-index.js";
import type { Topic } from "./topics.js";

export class TopicList {
  #sorted: Topic[] = [];
  #added: Topic[] = [];
  readonly #removed = new Set<Topic>();

  add(topic: Topic): void {
    this.#added.push(topic);
  }

  remove(topic: Topic): void {
    this.#removed.add(topic);
  }

  /** At most `limit` topics whose name starts with `prefix` and is greater than `after`, by UTF-16 code units. */
  page(prefix: string, after: string | null, limit: number): readonly Topic[] {
    this.#settle();
    const sorted = this.#sorted;
    const isAfter = ({ name }: Topic): boolean =>
      after !== null && after >= prefix ? name > after : name >= prefix;
    const page: Topic[] = [];
    for (let i = firstIndex(sorted, isAfter); i < sorted.length && page.length < limit; i += 1) {
      const topic = sorted[i];
      if (topic === undefined || !topic.name.startsWith(prefix)) break;
      page.push(topic);
    }
    return page;
  }

  #settle(): void {
    if (this.#added.length === 0 && this.#removed.size === 0) return;
    const isKept = (topic: Topic): boolean => !this.#removed.has(topic);
    const added = this.#added.filter(isKept).sort((a, b) => (a.name < b.name ? -1 : 1));
    this.#sorted = merge(this.#sorted.filter(isKept), added);
    this.#added = [];
    this.#removed.clear();
  }
}

/** Two lists in name order, with no name in both, as one. */
function merge(left: Topic[], right: Topic[]): Topic[] {
  if (left.length === 0) return right;
  if (right.length === 0) return left;
  const merged: Topic[] = [];
  let at = 0;
  for (const topic of left) {
    for (let next = right[at]; next !== undefined && next.name < topic.name; next = right[at]) {
      merged.push(next);
      at += 1;
    }
    merged.push(topic);
  }
  for (; at < right.length; at += 1) {
    const rest = right[at];
    if (rest !== undefined) merged.push(rest);
  }
  return merged;
}
