/** Looking for a place in a list that is in order, by halves. */

/** Index of the first item of which it is true; of all behind it it has to be true as well. The length where there is none. */
export function firstIndex<Item>(ordered: readonly Item[], isTrue: (item: Item) => boolean): number {
  let low = 0;
  let high = ordered.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = ordered[middle];
    if (item !== undefined && isTrue(item)) high = middle;
    else low = middle + 1;
  }
  return low;
}
