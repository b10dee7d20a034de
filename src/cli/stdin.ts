/** Standard input of `jangada pub`: as one payload, or as lines in batches. */
import { ClientFailure } from "./failure.js";

/** Lines joined for one request, and how many they are. */
export interface LineBatch {
  readonly body: Uint8Array;
  readonly lines: number;
}

/** When a batch is sent. */
export interface BatchLimits {
  readonly linesMax: number;
  /** A batch is cut before a line that would take it above this; a longer line goes alone. */
  readonly bytesMax: number;
  /** A longer line is refused. */
  readonly lineBytesMax: number;
  /** A batch that is not full is sent when nothing more came for so long; `null` waits for full ones and the end. */
  readonly idleMs: number | null;
}

const LINE_FEED = 0x0a;

/** All of a stream as one payload. Throws `ClientFailure` `payload_too_large` above `bytesMax`. */
export async function readAll(input: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of input) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw tooLarge(bytesMax);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(bytesMax: number): ClientFailure {
  return new ClientFailure("payload_too_large", `no node takes more than ${bytesMax} bytes at once`);
}

/** Gathers whole lines until a batch is full. Empty lines are left out. */
class LineGatherer {
  readonly #limits: BatchLimits;
  #partial: Uint8Array[] = [];
  #partialBytes = 0;
  #lines: Uint8Array[] = [];
  #bytes = 0;

  constructor(limits: BatchLimits) {
    this.#limits = limits;
  }

  get hasLines(): boolean {
    return this.#lines.length > 0;
  }

  /** Takes a chunk; gives the batches that it filled. */
  *take(chunk: Uint8Array): Generator<LineBatch> {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      this.#keepPartial(chunk.subarray(start, end + 1));
      start = end + 1;
      yield* this.#endLine();
    }
    if (start < chunk.length) this.#keepPartial(chunk.subarray(start));
  }

  /** What is left when the input has ended, the last line without its line feed too. */
  *end(): Generator<LineBatch> {
    if (this.#partialBytes > 0) {
      this.#keepPartial(Uint8Array.of(LINE_FEED));
      yield* this.#endLine();
    }
    if (this.hasLines) yield this.flush();
  }

  /** The gathered lines. */
  flush(): LineBatch {
    const batch = { body: Buffer.concat(this.#lines), lines: this.#lines.length };
    this.#lines = [];
    this.#bytes = 0;
    return batch;
  }

  #keepPartial(bytes: Uint8Array): void {
    this.#partialBytes += bytes.length;
    if (this.#partialBytes > this.#limits.lineBytesMax) throw tooLarge(this.#limits.lineBytesMax);
    this.#partial.push(bytes);
  }

  *#endLine(): Generator<LineBatch> {
    const line = Buffer.concat(this.#partial);
    this.#partial = [];
    this.#partialBytes = 0;
    if (line.toString("latin1").trim() === "") return;
    if (this.hasLines && this.#bytes + line.length > this.#limits.bytesMax) yield this.flush();
    this.#lines.push(line);
    this.#bytes += line.length;
    if (this.#lines.length >= this.#limits.linesMax) yield this.flush();
  }
}

const IDLE = Symbol("idle");

/**
 * Lines of a stream in batches, in order. The stream is read no faster than batches are taken. Throws `ClientFailure`
 * `payload_too_large` for a line above `lineBytesMax`.
 */
export async function* lineBatches(
  input: AsyncIterable<Uint8Array>,
  limits: BatchLimits,
): AsyncGenerator<LineBatch> {
  const chunks = input[Symbol.asyncIterator]();
  const gatherer = new LineGatherer(limits);
  let next = chunks.next();
  for (;;) {
    const idleMs = gatherer.hasLines ? limits.idleMs : null;
    const chunk = idleMs === null ? await next : await orIdle(next, idleMs);
    if (chunk === IDLE) {
      yield gatherer.flush();
      continue;
    }
    if (chunk.done === true) break;
    next = chunks.next();
    // A failure of the input is met by the await above; until then nobody may call it unhandled.
    next.catch(() => undefined);
    yield* gatherer.take(chunk.value);
  }
  yield* gatherer.end();
}

async function orIdle<Value>(value: Promise<Value>, idleMs: number): Promise<Value | typeof IDLE> {
  let timer: NodeJS.Timeout | undefined;
  const idle = new Promise<typeof IDLE>((resolve) => {
    timer = setTimeout(resolve, idleMs, IDLE);
  });
  try {
    return await Promise.race([value, idle]);
  } finally {
    clearTimeout(timer);
  }
}
