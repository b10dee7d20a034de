/**
 * How far a kept session is with one source: which positions were sent and are not dealt with, so that the cursor never passes one. A
 * ring in position order; what is acknowledged at its front leaves it, what is acknowledged further back waits for those before it.
 */
import { limits } from "../../../limits.js";

const SLOTS_MIN = 16;

/** What a client has to which nothing was sent: all of them the same. */
const NO_POSITIONS = new Float64Array(0);
const NONE_SETTLED = new Uint8Array(0);
const NONE_AHEAD: readonly number[] = [];

export class Ledger {
  /** A power of two long, or empty; from `#first` to `#end`, counts since the beginning. */
  #positions = NO_POSITIONS;
  #isSettled = NONE_SETTLED;
  #first = 0;
  #end = 0;
  /** Open exchanges of an earlier connection that the walk over the source has not come to; ascending. */
  #ahead: readonly number[] = NONE_AHEAD;
  #nextAhead = Number.POSITIVE_INFINITY;

  /** Before anything is sent: PUBREC came for these at an earlier connection, so that they will not be. */
  expect(received: readonly number[]): void {
    this.#ahead = [...received].sort((a, b) => a - b);
    this.#nextAhead = this.#ahead[0] ?? Number.POSITIVE_INFINITY;
  }

  /** How many more may be sent before the oldest is acknowledged: one lost acknowledgement must not make the state grow without bound. */
  get room(): number {
    return limits.unsettledMax - (this.#end - this.#first);
  }

  /** Everything up to here is dealt with, if all that is to be sent up to `walked` was sent. */
  through(walked: number): number {
    const oldest = this.#first === this.#end ? walked + 1 : this.#at(this.#first);
    return Math.min(oldest, this.#nextAhead, walked + 1) - 1;
  }

  /** A message of the source was sent, or its exchange goes on. */
  sent(position: number): void {
    while (this.#nextAhead < position) this.#append(this.#takeAhead());
    if (this.#end === this.#first || position > this.#at(this.#end - 1)) this.#append(position);
    else this.#insert(position);
  }

  /** It was acknowledged, or will never be. Unknown ones are passed over. */
  settle(position: number): void {
    if (this.#first === this.#end) {
      this.#settleAhead(position);
      return;
    }
    const mask = this.#positions.length - 1;
    const index = this.#at(this.#first) === position ? this.#first : this.#find(position);
    if (index === -1) {
      this.#settleAhead(position);
      return;
    }
    this.#isSettled[index & mask] = 1;
    while (this.#first < this.#end && this.#isSettled[this.#first & mask] === 1) this.#first += 1;
  }

  #settleAhead(position: number): void {
    if (position < this.#nextAhead) return;
    this.#ahead = this.#ahead.filter((other) => other !== position);
    this.#nextAhead = this.#ahead[0] ?? Number.POSITIVE_INFINITY;
  }

  #takeAhead(): number {
    const position = this.#nextAhead;
    this.#ahead = this.#ahead.slice(1);
    this.#nextAhead = this.#ahead[0] ?? Number.POSITIVE_INFINITY;
    return position;
  }

  #at(index: number): number {
    return this.#positions[index & (this.#positions.length - 1)] ?? 0;
  }

  #find(position: number): number {
    let low = this.#first;
    let high = this.#end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#at(middle) < position) low = middle + 1;
      else high = middle;
    }
    return low < this.#end && this.#at(low) === position ? low : -1;
  }

  #append(position: number): void {
    if (this.#end - this.#first === this.#positions.length)
      this.#resize(Math.max(SLOTS_MIN, 2 * this.#positions.length));
    const slot = this.#end & (this.#positions.length - 1);
    this.#positions[slot] = position;
    this.#isSettled[slot] = 0;
    this.#end += 1;
  }

  /** In its place: filters that count from further back were learnt of late. */
  #insert(position: number): void {
    const rest: [number, number][] = [];
    const mask = this.#positions.length - 1;
    while (this.#end > this.#first && this.#at(this.#end - 1) > position) {
      this.#end -= 1;
      rest.push([this.#at(this.#end), this.#isSettled[this.#end & mask] ?? 0]);
    }
    this.#append(position);
    for (const [each, isSettled] of rest.reverse()) {
      this.#append(each);
      this.#isSettled[(this.#end - 1) & (this.#isSettled.length - 1)] = isSettled;
    }
  }

  #resize(slots: number): void {
    const positions = new Float64Array(slots);
    const isSettled = new Uint8Array(slots);
    for (let i = this.#first; i < this.#end; i += 1) {
      positions[i & (slots - 1)] = this.#at(i);
      isSettled[i & (slots - 1)] = this.#isSettled[i & (this.#isSettled.length - 1)] ?? 0;
    }
    this.#positions = positions;
    this.#isSettled = isSettled;
  }
}
