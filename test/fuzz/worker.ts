/**
 * The process that fuzzes one target: instruments its decoder, tries inputs, tells its parent. What is tried is written down before, so
 * that the parent knows it when this process never answers again.
 */
import { register } from "node:module";
import { setImmediate as turn } from "node:timers/promises";
import { repositoryRoot } from "./corpus.js";
import { Coverage } from "./coverage.js";
import { Fuzzer, type FuzzFigures } from "./fuzzer.js";
import { Slate } from "./slate.js";
import type { Target } from "./target.js";

/** What the process is told. */
export interface Order {
  readonly module: string;
  readonly covers: readonly string[];
  readonly inputs: number;
  /** No longer than this, however many inputs are left. */
  readonly seconds: number;
  readonly seed: number;
  /** Path of the slate on which inputs are written down. */
  readonly slate: string;
}

/** All that it is sent. */
export interface Errand {
  readonly order: Order;
  readonly corpus: readonly Uint8Array[];
}

/** What the process tells. */
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

/** Resolves when it is on its way: a process that ends takes what waits in it along. */
function tell(report: Report): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(report, undefined, undefined, () => resolve());
  });
}

async function main({ order, corpus }: Errand): Promise<void> {
  const { module, covers, inputs, seconds, seed } = order;
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
  const slate = Slate.on(order.slate);
  const fuzzer = new Fuzzer({
    target,
    seed,
    coverage,
    onInput: (input) => slate.write(input),
    onFinding: (finding) => void tell({ kind: "finding", ...finding }),
    onNew: (input) => void tell({ kind: "new", input }),
  });
  await fuzzer.take([Buffer.alloc(0), ...(await target.seeds()), ...corpus]);
  while (fuzzer.figures.inputs < inputs && performance.now() < endMs) {
    await fuzzer.run(Math.min(PROGRESS_EVERY, inputs - fuzzer.figures.inputs));
    void tell({ kind: "progress", figures: fuzzer.figures, branches: coverage.branches });
    // A decoder that waits for nothing would never let this process hear that its parent is gone.
    await turn();
  }
  await tell({ kind: "smallest", inputs: fuzzer.smallest(), modules: coverage.modules });
  await tell({ kind: "done", figures: fuzzer.figures, branches: coverage.branches });
}

// Some decoders leave timers and listeners behind: it ends when all is told, or nobody is there to be told.
process.on("disconnect", () => process.exit(1));
process.once("message", (errand: Errand) => {
  void main(errand).then(() => process.disconnect());
});
