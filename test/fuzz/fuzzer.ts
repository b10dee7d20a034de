/**
 * The loop: an input out of those that are worth it, changed, tried; whatever reached something new is worth it from then on. What does
 * not hold is a finding, made short, told once. Without coverage the loop tries changes of the inputs that it was given.
 */
import { type Random, seededRandom } from "../../src/runtime/random.js";
import { minimised, type Reached } from "./corpus.js";
import type { Coverage } from "./coverage.js";
import { Mutator, type Words } from "./mutator.js";
import { allocationMax, Broken, type Target } from "./target.js";

export interface Finding {
  readonly input: Buffer;
  readonly what: string;
  readonly stack: string;
}

export interface FuzzerOptions {
  readonly target: Target;
  readonly seed: number;
  /** `null`: changes at random. */
  readonly coverage: Coverage | null;
  /** Told of each input before it is tried: what never comes back was this one. */
  readonly onInput?: (input: Buffer) => void;
  readonly onFinding: (finding: Finding) => void;
  /** An input that reached something new. */
  readonly onNew?: (input: Buffer) => void;
}

export interface FuzzFigures {
  readonly inputs: number;
  readonly corpus: number;
  readonly longestMs: number;
  /** Heap and buffers together, bytes. */
  readonly memoryPeak: number;
  /** Most room that one input made the decoder take at once, bytes. */
  readonly allocationPeak: number;
}

/** An input that takes this long, however often it is tried, is a finding. */
const SLOW_MS = 300;
/** Other programs may have had the processor meanwhile: what seems to take longer than this is tried again. */
const DOUBTFUL_MS = 10;
const SLOW_TRIES = 4;
/** How often memory is looked at, inputs. */
const LOOK_EVERY = 512;
const MEMORY_MAX_BYTES = 512 * 1024 * 1024;
/** Of the whole process: what is kept outside of the heap counts too. */
const RESIDENT_MAX_BYTES = 1024 * 1024 * 1024;
/** Longer ones cost more than they find. */
const SHORTENING_TRIES = 400;
const EMPTY = Buffer.alloc(0);

export class Fuzzer {
  readonly #options: FuzzerOptions;
  readonly #random: Random;
  readonly #mutator: Mutator;
  readonly #corpus: Reached[] = [];
  readonly #told = new Set<string>();
  #inputs = 0;
  #longestMs = 0;
  #memoryPeak = 0;
  #allocationPeak = 0;

  constructor(options: FuzzerOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
    const { target, coverage } = options;
    // Asked for at each choice: what was compared changes.
    const words: Words = {
      dictionary: target.dictionary ?? [],
      literals: coverage?.literals ?? [],
      get compared() {
        return coverage?.compared ?? [];
      },
    };
    this.#mutator = new Mutator(this.#random, target.inputBytesMax, words);
  }

  get figures(): FuzzFigures {
    return {
      inputs: this.#inputs,
      corpus: this.#corpus.length,
      longestMs: this.#longestMs,
      memoryPeak: this.#memoryPeak,
      allocationPeak: this.#allocationPeak,
    };
  }

  /** Tries inputs that are known; those that reach something new are kept. */
  async take(inputs: readonly Uint8Array[]): Promise<void> {
    for (const input of inputs) await this.#try(Buffer.from(input), true);
  }

  /** Tries so many new inputs. */
  async run(count: number): Promise<void> {
    for (let i = 0; i < count; i += 1) await this.#try(this.#next(), false);
  }

  /** As few inputs as reach what all reached. */
  smallest(): Buffer[] {
    return this.#options.coverage === null ? this.#corpus.map(({ input }) => input) : minimised(this.#corpus);
  }

  #next(): Buffer {
    const parent = this.#parent();
    const other = this.#corpus[this.#mutator.below(this.#corpus.length)]?.input ?? EMPTY;
    const input = this.#mutator.mutate(parent, other);
    if (this.#mutator.below(2) === 0) this.#options.target.repair?.(input);
    return input;
  }

  /** Often one of the newest: where something was found there is more. */
  #parent(): Buffer {
    const { length } = this.#corpus;
    const newest = Math.max(1, length >> 3);
    const at =
      this.#mutator.below(3) === 0 ? length - 1 - this.#mutator.below(newest) : this.#mutator.below(length);
    return this.#corpus[at]?.input ?? EMPTY;
  }

  async #try(input: Buffer, isKnown: boolean): Promise<void> {
    const { coverage, onInput, onNew } = this.#options;
    onInput?.(input);
    this.#inputs += 1;
    coverage?.begin();
    const begunMs = performance.now();
    const error = await this.#outcome(input);
    const tookMs = performance.now() - begunMs;
    if (this.#inputs % LOOK_EVERY === 0) this.#lookAtMemory(input);
    if (coverage === null) {
      if (isKnown) this.#corpus.push({ input, features: [] });
    } else {
      this.#allocationPeak = Math.max(this.#allocationPeak, coverage.largestAllocation);
      if (coverage.isNew()) {
        this.#corpus.push({ input: Buffer.from(input), features: coverage.features() });
        onNew?.(input);
      }
    }
    if (error !== null) await this.#found(input, error);
    else if (tookMs > this.#longestMs) await this.#judgeTime(input, tookMs);
  }

  /** What does not hold of an input, if anything. */
  async #outcome(input: Buffer): Promise<Error | null> {
    const { target, coverage } = this.#options;
    // A decoder may keep what it was given, or write to it.
    const copy = Buffer.from(input);
    try {
      const running = target.run(copy);
      if (running !== undefined) await running;
    } catch (error) {
      return error instanceof Error ? error : new Broken(`threw ${String(error)}`);
    }
    const taken = coverage?.largestAllocation ?? 0;
    if (taken <= allocationMax(target, input.length)) return null;
    return new Broken(`${taken} bytes were taken at once for an input of ${input.length}`);
  }

  async #judgeTime(input: Buffer, tookMs: number): Promise<void> {
    let leastMs = tookMs;
    for (let i = 0; i < SLOW_TRIES && leastMs > DOUBTFUL_MS; i += 1) {
      const begunMs = performance.now();
      await this.#outcome(input);
      leastMs = Math.min(leastMs, performance.now() - begunMs);
    }
    this.#longestMs = Math.max(this.#longestMs, leastMs);
    if (leastMs > SLOW_MS) this.#tell(input, new Broken("an input takes too long"));
  }

  #lookAtMemory(input: Buffer): void {
    const { heapUsed, arrayBuffers, rss } = process.memoryUsage();
    this.#memoryPeak = Math.max(this.#memoryPeak, heapUsed + arrayBuffers);
    if (heapUsed + arrayBuffers > MEMORY_MAX_BYTES || rss > RESIDENT_MAX_BYTES)
      this.#tell(input, new Broken("memory grows without end"));
  }

  async #found(input: Buffer, error: Error): Promise<void> {
    const key = keyOf(error);
    if (this.#told.has(key)) return;
    this.#tell(await this.#shortened(input, key), error);
  }

  #tell(input: Buffer, error: Error): void {
    const key = keyOf(error);
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.#options.onFinding({ input, what: `${error.name}: ${error.message}`, stack: error.stack ?? "" });
  }

  /** The input without what it does not need to break the same. */
  async #shortened(input: Buffer, key: string): Promise<Buffer> {
    let best = input;
    let tries = SHORTENING_TRIES;
    for (let piece = best.length >> 1; piece >= 1 && tries > 0; piece >>= 1) {
      for (let at = 0; at + piece <= best.length && tries > 0; tries -= 1) {
        const shorter = Buffer.concat([best.subarray(0, at), best.subarray(at + piece)]);
        const error = await this.#outcome(shorter);
        if (error !== null && keyOf(error) === key) best = shorter;
        else at += piece;
      }
    }
    return best;
  }
}

/** The same for what is most likely the same mistake. */
function keyOf(error: Error): string {
  const frames = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  return `${error.name} ${error.message.replace(/\d+/g, "#").slice(0, 80)} ${frames[0] ?? ""}`;
}
