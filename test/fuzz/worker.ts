/**
 * The thread that fuzzes one target: instruments its decoder, tries inputs, tells its parent. What is tried stands in shared memory, so
 * that the parent knows it when this thread never answers again.
 */
import { register } from "node:module";
import { pathToFileURL } from "node:url";
import { parentPort, workerData } from "node:worker_threads";
import { repositoryRoot } from "./corpus.js";
import { Coverage } from "./coverage.js";
import { Fuzzer, type FuzzFigures } from "./fuzzer.js";
import type { Target } from "./target.js";

/** What the thread is told. */
export interface Order {
  readonly module: string;
  readonly covers: readonly string[];
  readonly inputs: number;
  /** No longer than this, however many inputs are left. */
  readonly seconds: number;
  readonly seed: number;
  readonly corpus: readonly Uint8Array[];
  /** Number of the input that is tried and its length, then its bytes. */
  readonly shared: SharedArrayBuffer;
}

/** What the thread tells. */
export type Report =
  | { readonly kind: "new"; readonly input: Uint8Array }
  | { readonly kind: "finding"; readonly input: Uint8Array; readonly what: string; readonly stack: string }
  | {
      readonly kind: "progress" | "done";
      readonly figures: FuzzFigures;
      readonly branches: { reached: number; all: number };
    }
  | {
      readonly kind: "smallest";
      readonly inputs: readonly Uint8Array[];
      readonly modules: Coverage["modules"];
    };

const PROGRESS_EVERY = 5_000;
const STACK_FRAMES = 4;
export const SHARED_HEAD_BYTES = 8;

/** Rooms of unknown size are told to the coverage. */
function watchAllocations(coverage: Coverage): void {
  for (const name of ["alloc", "allocUnsafe", "allocUnsafeSlow"] as const) {
    const original = Buffer[name].bind(Buffer) as (size: number, ...rest: never[]) => Buffer<ArrayBuffer>;
    Buffer[name] = (size: number, ...rest: never[]) => {
      coverage.allocated(size);
      return original(size, ...rest);
    };
  }
}

async function main(order: Order, tell: (report: Report) => void): Promise<void> {
  const { module, covers, inputs, seconds, seed, corpus, shared } = order;
  const endMs = performance.now() + seconds * 1_000;
  const coverage = new Coverage();
  coverage.install();
  register("./loader.js", import.meta.url, { data: { root: repositoryRoot(), covers } });
  const { target } = (await import(new URL(`./targets/${module}.js`, import.meta.url).href)) as {
    target: Target;
  };
  watchAllocations(coverage);
  // Refusals are errors, and most inputs are refused: their stacks are the dearest part of them.
  Error.stackTraceLimit = STACK_FRAMES;
  const head = new Int32Array(shared, 0, 2);
  const bytes = new Uint8Array(shared, SHARED_HEAD_BYTES);
  const fuzzer = new Fuzzer({
    target,
    seed,
    coverage,
    onInput: (input) => {
      head[0] = (head[0] ?? 0) + 1;
      head[1] = input.length;
      bytes.set(input.subarray(0, bytes.length));
    },
    onFinding: (finding) => tell({ kind: "finding", ...finding }),
    onNew: (input) => tell({ kind: "new", input }),
  });
  await fuzzer.take([Buffer.alloc(0), ...(await target.seeds()), ...corpus]);
  while (fuzzer.figures.inputs < inputs && performance.now() < endMs) {
    await fuzzer.run(Math.min(PROGRESS_EVERY, inputs - fuzzer.figures.inputs));
    tell({ kind: "progress", figures: fuzzer.figures, branches: coverage.branches });
  }
  tell({ kind: "smallest", inputs: fuzzer.smallest(), modules: coverage.modules });
  tell({ kind: "done", figures: fuzzer.figures, branches: coverage.branches });
}

if (parentPort !== null) {
  const port = parentPort;
  // Some decoders leave timers and listeners behind; the parent ends the thread.
  await main(workerData as Order, (report) => port.postMessage(report));
}

/** Where this thread's code is. */
export const WORKER_URL = pathToFileURL(new URL(import.meta.url).pathname);
