/**
 * One target's campaign, seen from outside: a process fuzzes, this watches it. A process that does not come back from an input, or dies
 * of one, be it by a signal, gives a finding and a successor that goes on with what was reached.
 */
import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Finding, FuzzFigures } from "./fuzzer.js";
import { Slate } from "./slate.js";
import type { TargetPlace } from "./target.js";
import type { Errand, Order, Report } from "./worker.js";

export interface CampaignOptions {
  readonly place: TargetPlace;
  readonly inputs: number;
  /** No longer than this; without end when left out. */
  readonly seconds?: number;
  readonly seed: number;
  readonly corpus: readonly Uint8Array[];
  /** An input that takes longer hangs; ten seconds when left out: even at the lowest priority beside others. */
  readonly hangMs?: number;
  /** After so many processes that were lost it ends: there is something to mend first; five when left out. */
  readonly livesMax?: number;
  readonly onFinding: (finding: Finding) => void;
  readonly onProgress: (text: string) => void;
}

export interface CampaignResult {
  readonly figures: FuzzFigures;
  readonly branches: { readonly reached: number; readonly all: number };
  readonly findings: number;
  readonly seconds: number;
  /** Too many processes were lost: figures are as far as the last of them told, and what reached most was not chosen. */
  readonly isCutShort: boolean;
  /** As few inputs as reach what all reached; none when it was cut short. */
  readonly corpus: readonly Uint8Array[];
  readonly modules: readonly { readonly path: string; readonly reached: number; readonly all: number }[];
}

const HANG_MS = 10_000;
const LIVES_MAX = 5;
const WATCH_MS = 500;
/** The process's heap: what needs more is a finding. */
const HEAP_MAX_MIB = 512;
/** Of what it printed before its end, characters. */
const LAST_WORDS_MAX = 4_096;
const PROGRESS_MS = 30_000;

/** What a process told of itself. */
type Told = Omit<CampaignResult, "findings" | "seconds" | "isCutShort">;

type Ending =
  | {
      readonly kind: "done";
      readonly result: Told;
      /** When the last input was tried: what comes after it is no fuzzing. */
      readonly endedMs: number;
    }
  | {
      readonly kind: "lost";
      /** As far as it came to tell. */
      readonly result: Told;
      readonly input: Buffer;
      readonly tried: number;
      readonly why: string;
      readonly lastWords: string;
    };

/** Of a process that was lost before its first word. */
const NOTHING_TOLD: Told = {
  figures: { inputs: 0, corpus: 0, longestMs: 0, memoryPeak: 0, allocationPeak: 0 },
  branches: { reached: 0, all: 0 },
  corpus: [],
  modules: [],
};

interface Life {
  readonly inputs: number;
  /** How many were lost before it. */
  readonly life: number;
  /** A directory for everything that the process makes. */
  readonly home: string;
  /** Inputs that reached something; what it finds is added. */
  readonly grown: Uint8Array[];
}

/** Runs until so many inputs are tried, the time is over, or too many processes were lost. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const home = mkdtempSync(join(tmpdir(), "jangada-fuzz-"));
  try {
    return await runLives(options, home);
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

async function runLives(options: CampaignOptions, home: string): Promise<CampaignResult> {
  const begunMs = performance.now();
  const { livesMax = LIVES_MAX, seconds: secondsMax = Number.POSITIVE_INFINITY } = options;
  const grown = [...options.corpus];
  const known = new Set<string>();
  let findings = 0;
  let tried = 0;
  const told = (finding: Finding): void => {
    findings += 1;
    options.onFinding(finding);
  };
  const toldOnce = (finding: Finding): void => {
    if (known.has(finding.what)) return;
    known.add(finding.what);
    told(finding);
  };
  let last = NOTHING_TOLD;
  const elapsedS = (): number => (performance.now() - begunMs) / 1_000;
  for (let life = 0; ; life += 1) {
    const [inputs, seconds] = [options.inputs - tried, secondsMax - elapsedS()];
    const ending = await runProcess(
      { ...options, seconds, onFinding: toldOnce },
      { inputs, life, home, grown },
    );
    // One that died at once has told nothing: what is known is what those before it told.
    if (ending.result !== NOTHING_TOLD) last = ending.result;
    if (ending.kind === "done") {
      tried += last.figures.inputs;
      const figures = { ...last.figures, inputs: tried };
      return { ...last, figures, findings, seconds: (ending.endedMs - begunMs) / 1_000, isCutShort: false };
    }
    tried += ending.tried;
    // Each of them: two that die of the same signal need not have died of the same.
    told({ input: ending.input, what: ending.why, stack: ending.lastWords });
    if (life + 1 < livesMax) continue;
    const figures = { ...last.figures, inputs: tried };
    return { ...last, figures, findings, seconds: elapsedS(), isCutShort: true, corpus: [] };
  }
}

function runProcess(
  { place, seed, onFinding, onProgress, seconds, hangMs = HANG_MS }: CampaignOptions & { seconds: number },
  { inputs, life, home, grown }: Life,
): Promise<Ending> {
  const slate = new Slate(join(home, "input"));
  const order: Order = { ...place, inputs, seconds, seed: seed + life * 1_000_003, slate: slate.path };
  const child = fork(new URL("./worker.js", import.meta.url), {
    serialization: "advanced",
    stdio: ["ignore", "inherit", "pipe", "ipc"],
    execArgv: ["--no-warnings", `--max-old-space-size=${HEAP_MAX_MIB}`],
    // What it leaves behind goes with the campaign.
    env: { ...process.env, TMPDIR: home },
  });
  let lastWords = "";
  child.stderr?.on("data", (text: Buffer) => {
    lastWords = `${lastWords}${text}`.slice(-LAST_WORDS_MAX);
  });
  const errand: Errand = { order, corpus: grown };
  child.send(errand);
  const heard = listen(child, grown, onFinding, onProgress);
  let hung = false;
  const stopWatching = watch(slate, hangMs, () => {
    hung = true;
    child.kill("SIGKILL");
  });
  return new Promise((resolve) => {
    // Comes after the last that it said.
    child.on("close", (code, signal) => {
      stopWatching();
      const last = slate.read();
      slate.close();
      const died = `the process died of ${signal ?? `an error, with exit code ${code}`}`;
      const why = hung ? `an input did not come back within ${hangMs} ms` : died;
      const { ending, result } = heard();
      resolve(ending ?? { kind: "lost", result, ...last, why, lastWords });
    });
  });
}

/** Takes down what the process tells; gives that, and the ending when it told that it is done. */
function listen(
  child: ChildProcess,
  grown: Uint8Array[],
  onFinding: CampaignOptions["onFinding"],
  onProgress: CampaignOptions["onProgress"],
): () => { readonly ending: Ending | null; readonly result: Told } {
  let result: Told = NOTHING_TOLD;
  let ending: Ending | null = null;
  let toldMs = performance.now();
  let endedMs = toldMs;
  child.on("message", (report: Report) => {
    if (report.kind === "new") grown.push(report.input);
    else if (report.kind === "finding") onFinding({ ...report, input: Buffer.from(report.input) });
    else if (report.kind === "smallest") {
      result = { ...result, corpus: report.inputs, modules: report.modules };
    } else {
      const { figures, branches } = report;
      result = { ...result, figures, branches };
      if (report.kind === "done") {
        ending = { kind: "done", result, endedMs };
        return;
      }
      endedMs = performance.now();
      if (endedMs - toldMs < PROGRESS_MS) return;
      toldMs = endedMs;
      onProgress(
        `${figures.inputs} inputs, corpus ${figures.corpus}, branches ${branches.reached} of ${branches.all}`,
      );
    }
  });
  return () => ({ ending, result });
}

/** Calls `hung` when one input is tried for too long. */
function watch(slate: Slate, hangMs: number, hung: () => void): () => void {
  let last = -1;
  let sinceMs = performance.now();
  const timer = setInterval(() => {
    const now = slate.tried();
    if (now !== last) {
      last = now;
      sinceMs = performance.now();
    } else if (now > 0 && performance.now() - sinceMs > hangMs) hung();
  }, WATCH_MS);
  return () => clearInterval(timer);
}
