/**
 * One target's campaign, seen from outside: a thread fuzzes, this watches it. A thread that does not come back from an input, or dies of
 * one, gives a finding and a successor that goes on with what was found.
 */
import { Worker } from "node:worker_threads";
import type { Finding, FuzzFigures } from "./fuzzer.js";
import type { TargetPlace } from "./target.js";
import { type Order, type Report, SHARED_HEAD_BYTES } from "./worker.js";

export interface CampaignOptions {
  readonly place: TargetPlace;
  readonly inputs: number;
  /** No longer than this; without end when left out. */
  readonly seconds?: number;
  readonly seed: number;
  readonly corpus: readonly Uint8Array[];
  /** An input that takes longer hangs; ten seconds when left out: even at the lowest priority beside others. */
  readonly hangMs?: number;
  /** After so many threads that were lost, there is something to mend first; five when left out. */
  readonly livesMax?: number;
  readonly onFinding: (finding: Finding) => void;
  readonly onProgress: (text: string) => void;
}

export interface CampaignResult {
  readonly figures: FuzzFigures;
  readonly branches: { readonly reached: number; readonly all: number };
  readonly findings: number;
  readonly seconds: number;
  /** As few inputs as reach what all reached. */
  readonly corpus: readonly Uint8Array[];
  readonly modules: readonly { readonly path: string; readonly reached: number; readonly all: number }[];
}

const HANG_MS = 10_000;
const LIVES_MAX = 5;
const WATCH_MS = 500;
/** The thread's heap: what needs more is a finding. */
const HEAP_MAX_MIB = 512;
const INPUT_SHARED_BYTES = 1024 * 1024;
const PROGRESS_MS = 30_000;

type Ending =
  | {
      readonly kind: "done";
      readonly result: Omit<CampaignResult, "findings" | "seconds">;
      /** When the last input was tried: what comes after it is no fuzzing. */
      readonly endedMs: number;
    }
  | {
      readonly kind: "lost";
      readonly input: Buffer;
      readonly tried: number;
      readonly why: string;
    };

/** Runs until so many inputs are tried, or the time is over. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const begunMs = performance.now();
  const { livesMax = LIVES_MAX } = options;
  const grown = [...options.corpus];
  const known = new Set<string>();
  let findings = 0;
  let tried = 0;
  for (let life = 0; ; life += 1) {
    const told = (finding: Finding): void => {
      if (known.has(finding.what)) return;
      known.add(finding.what);
      findings += 1;
      options.onFinding(finding);
    };
    const ending = await runThread({ ...options, onFinding: told }, options.inputs - tried, life, grown);
    if (ending.kind === "done") {
      const { figures } = ending.result;
      const seconds = (ending.endedMs - begunMs) / 1_000;
      return { ...ending.result, figures: { ...figures, inputs: tried + figures.inputs }, findings, seconds };
    }
    tried += ending.tried;
    told({ input: ending.input, what: ending.why, stack: "" });
    if (life + 1 >= livesMax) throw new Error(`${options.place.name}: ${livesMax} threads were lost`);
  }
}

function runThread(
  options: CampaignOptions,
  inputs: number,
  life: number,
  grown: Uint8Array[],
): Promise<Ending> {
  const {
    place,
    seed,
    onFinding,
    onProgress,
    hangMs = HANG_MS,
    seconds = Number.POSITIVE_INFINITY,
  } = options;
  const shared = new SharedArrayBuffer(SHARED_HEAD_BYTES + INPUT_SHARED_BYTES);
  const head = new Int32Array(shared, 0, 2);
  const current = (): Buffer =>
    Buffer.from(new Uint8Array(shared, SHARED_HEAD_BYTES, Math.min(head[1] ?? 0, INPUT_SHARED_BYTES)));
  const order: Order = {
    ...place,
    inputs,
    seconds,
    seed: seed + life * 1_000_003,
    corpus: [...grown],
    shared,
  };
  const worker = new Worker(new URL("./worker.js", import.meta.url), {
    workerData: order,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MAX_MIB },
    execArgv: ["--no-warnings"],
  });
  return new Promise((resolve) => {
    let [corpus, modules]: [readonly Uint8Array[], CampaignResult["modules"]] = [[], []];
    const end = (ending: Ending): void => {
      stopWatching();
      void worker.terminate().then(() => resolve(ending));
    };
    const lost = (why: string): void => end({ kind: "lost", input: current(), tried: head[0] ?? 0, why });
    const stopWatching = watch(head, hangMs, () => lost(`an input did not come back within ${hangMs} ms`));
    let toldMs = performance.now();
    let endedMs = toldMs;
    worker.on("message", (report: Report) => {
      if (report.kind === "new") grown.push(report.input);
      else if (report.kind === "finding") onFinding({ ...report, input: Buffer.from(report.input) });
      else if (report.kind === "smallest") [corpus, modules] = [report.inputs, report.modules];
      else if (report.kind === "done") {
        const { figures, branches } = report;
        end({ kind: "done", result: { figures, branches, corpus, modules }, endedMs });
      } else {
        endedMs = performance.now();
        if (endedMs - toldMs < PROGRESS_MS) return;
        toldMs = endedMs;
        const { figures, branches } = report;
        onProgress(
          `${figures.inputs} inputs, corpus ${figures.corpus}, branches ${branches.reached} of ${branches.all}`,
        );
      }
    });
    worker.on("error", (error) =>
      lost(`the thread died: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`),
    );
  });
}

/** Calls `hung` when one input is tried for too long. */
function watch(head: Int32Array, hangMs: number, hung: () => void): () => void {
  let last = -1;
  let sinceMs = performance.now();
  const timer = setInterval(() => {
    const now = Atomics.load(head, 0);
    if (now !== last) {
      last = now;
      sinceMs = performance.now();
    } else if (now > 0 && performance.now() - sinceMs > hangMs) hung();
  }, WATCH_MS);
  return () => clearInterval(timer);
}
