/** Bytes of a stream come in any pieces: cuts them into wholes, and keeps what is left of one piece for the next. */

export class Pieces {
  #rest: Buffer = Buffer.alloc(0);

  /**
   * Takes the next bytes. `take` handles what begins at `at` and gives where it ends, or -1 when it is not complete. What is left is
   * copied, so `bytes` may be reused.
   */
  feed(bytes: Buffer, take: (data: Buffer, at: number) => number): void {
    const data = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let at = 0;
    while (at < data.length) {
      const end = take(data, at);
      if (end < 0) break;
      at = end;
    }
    this.#rest = at === data.length ? Buffer.alloc(0) : Buffer.from(data.subarray(at));
  }
}
