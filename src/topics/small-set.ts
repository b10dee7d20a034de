/**
 * Sets that mostly have one element, which then stands for itself: a `Set` of one is several times the size of all else that a filter or a
 * topic broker holds. As a field of somebody else (`Held`), or as an object with the methods of a set (`SmallSet`).
 */

/** Two elements or more. */
export class Several<Value> extends Set<Value> {}

/** Nothing, one element, or several; an element is never undefined. */
export type Held<Value> = Value | Several<Value> | undefined;

export function withValue<Value>(held: Held<Value>, value: Value): Value | Several<Value> {
  if (held === undefined || held === value) return value;
  const several = held instanceof Several ? held : new Several<Value>([held]);
  return several.add(value);
}

export function withoutValue<Value>(held: Held<Value>, value: Value): Held<Value> {
  if (!(held instanceof Several)) return held === value ? undefined : held;
  held.delete(value);
  if (held.size > 1) return held;
  const [last] = held;
  return last;
}

/** In the order in which they were added. */
export function valuesOf<Value>(held: Held<Value>): Iterable<Value> {
  if (held instanceof Several) return held;
  return held === undefined ? [] : [held];
}

/** May change while it is gone through: what was taken away does not come any more. */
export class SmallSet<Value extends NonNullable<unknown>> implements Iterable<Value> {
  /** Once there are several it stays so until there is none, for the sake of those who go through them. */
  #held: Held<Value>;

  get size(): number {
    if (this.#held instanceof Several) return this.#held.size;
    return this.#held === undefined ? 0 : 1;
  }

  add(value: Value): void {
    this.#held = withValue(this.#held, value);
  }

  delete(value: Value): void {
    const held = this.#held;
    if (held instanceof Several) {
      held.delete(value);
      if (held.size === 0) this.#held = undefined;
    } else if (held === value) this.#held = undefined;
  }

  [Symbol.iterator](): Iterator<Value> {
    return valuesOf(this.#held)[Symbol.iterator]();
  }
}
