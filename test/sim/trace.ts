/** The story of one run: hashed line by line, so that two runs can be compared; kept only when somebody wants to read it. */

const FNV_PRIME = 0x01000193;

export class Trace {
  readonly #print: ((line: string) => void) | null;
  #low = 0x811c9dc5;
  #high = 0x1234567;
  lines = 0;

  /** `print`: where lines go, `null` for nowhere. */
  constructor(print: ((line: string) => void) | null) {
    this.#print = print;
  }

  add(atMs: number, who: string, what: string): void {
    const line = `${atMs.toFixed(3).padStart(10)} ${who.padEnd(5)} ${what}`;
    for (let i = 0; i < line.length; i += 1) {
      const code = line.charCodeAt(i);
      this.#low = Math.imul(this.#low ^ code, FNV_PRIME);
      this.#high = Math.imul(this.#high ^ (code + i), FNV_PRIME) + this.#low;
    }
    this.lines += 1;
    this.#print?.(line);
  }

  digest(): string {
    return [this.#low, this.#high].map((half) => (half >>> 0).toString(16).padStart(8, "0")).join("");
  }
}
