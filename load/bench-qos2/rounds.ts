/** Rounds: each contestant in turn, up for its own turn alone, every cell of it; then all of it again. */
import { Loader } from "../lib/loader.js";
import { median, spread } from "../lib/statistics.js";
import { formatMs, formatNumber, formatPercent, type Table } from "../lib/table.js";
import type { Qos2Args, Qos2Report } from "../loaders/mqtt-qos2.js";
import type { Ends, Qos2Contestant } from "./contestants.js";

export interface Qos2Options {
  readonly rounds: number;
  readonly windows: readonly number[];
  readonly warmUpMs: number;
  readonly measureMs: number;
}

interface Cell {
  readonly isClean: boolean;
  readonly window: number;
}

interface Sample extends Qos2Report {
  readonly cell: Cell;
}

export interface Qos2Outcome {
  readonly contestant: Qos2Contestant;
  readonly samples: Sample[];
  failure: string | null;
}

const PAYLOAD_BYTES = 100;
const MARGIN_MS = 30_000;
/** Servers start cold: a run that counts for nothing. */
const WARM_UP: Cell = { isClean: true, window: 100 };
const WARM_UP_MS = 1_500;

function cellsOf({ windows }: Qos2Options): readonly Cell[] {
  return [false, true].flatMap((isClean) => windows.map((window) => ({ isClean, window })));
}

export function describeSessions(isClean: boolean): string {
  return isClean ? "clean sessions" : "kept sessions";
}

async function measure(ends: Ends, cell: Cell, topic: string, options: Qos2Options): Promise<Sample> {
  const loader = await Loader.start("mqtt-qos2");
  try {
    const { publisher, subscriber } = ends;
    const { warmUpMs, measureMs } = options;
    const args: Qos2Args = {
      ...{ publisher, subscriber, topic, warmUpMs, measureMs, ...cell },
      payloadBytes: PAYLOAD_BYTES,
    };
    const report = await loader.ask<Qos2Report>("run", args, warmUpMs + measureMs + MARGIN_MS);
    return { ...report, cell };
  } finally {
    await loader.stop();
  }
}

/** "ok", or what is wrong with what arrived. */
export function judgeQos2({ published, delivered, doubled, inOrder, failure }: Qos2Report): string {
  if (failure !== null) return `FAILED: ${failure}`;
  if (delivered < published) return `LOST ${formatNumber(published - delivered)}`;
  if (doubled > 0) return `DOUBLED ${formatNumber(doubled)}`;
  return inOrder ? "ok" : "OUT OF ORDER";
}

async function runTurn(outcome: Qos2Outcome, round: number, options: Qos2Options): Promise<void> {
  const { contestant, samples } = outcome;
  let ends: Ends | undefined;
  try {
    ends = await contestant.start();
    await measure(ends, WARM_UP, `warm/${round}`, { ...options, measureMs: WARM_UP_MS });
    for (const [index, cell] of cellsOf(options).entries()) {
      const sample = await measure(ends, cell, `qos2/${round}/${index}`, options);
      samples.push(sample);
      const { deliveredPerSecond, p50Ms, p99Ms } = sample;
      console.log(
        `  round ${round}, ${contestant.name}, ${describeSessions(cell.isClean)}, window ${cell.window}: ` +
          `${formatNumber(deliveredPerSecond)}/s, p50 ${formatMs(p50Ms)}, p99 ${formatMs(p99Ms)}, ${judgeQos2(sample)}`,
      );
    }
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    console.error(`  round ${round}, ${contestant.name}: ${text}`);
    outcome.failure ??= text.split("\n")[0] ?? text;
  }
  await ends?.stop();
}

export async function runQos2Rounds(
  contestants: readonly Qos2Contestant[],
  options: Qos2Options,
): Promise<readonly Qos2Outcome[]> {
  const outcomes = contestants.map(
    (contestant): Qos2Outcome => ({ contestant, samples: [], failure: contestant.missing }),
  );
  for (let round = 1; round <= options.rounds; round++) {
    for (const outcome of outcomes) {
      if (outcome.contestant.missing === null) await runTurn(outcome, round, options);
    }
  }
  return outcomes;
}

type Figure = (sample: Sample) => number;

function figuresOf(outcome: Qos2Outcome | undefined, cell: Cell, figure: Figure): readonly number[] {
  return (outcome?.samples ?? [])
    .filter((sample) => sample.cell.isClean === cell.isClean && sample.cell.window === cell.window)
    .map(figure);
}

const rate: Figure = ({ deliveredPerSecond }) => deliveredPerSecond;
const p50: Figure = ({ p50Ms }) => p50Ms;
const p99: Figure = ({ p99Ms }) => p99Ms;

function rowOf(outcome: Qos2Outcome, cell: Cell): readonly string[] {
  const proofs = outcome.samples
    .filter((sample) => sample.cell.isClean === cell.isClean && sample.cell.window === cell.window)
    .map(judgeQos2);
  const middle = (figure: Figure): number => median(figuresOf(outcome, cell, figure));
  return [
    outcome.contestant.name,
    describeSessions(cell.isClean),
    formatNumber(cell.window),
    formatNumber(middle(rate)),
    formatMs(middle(p50)),
    formatMs(middle(p99)),
    formatPercent(spread(figuresOf(outcome, cell, rate))),
    proofs.find((proof) => proof !== "ok") ?? proofs[0] ?? outcome.failure ?? "-",
  ];
}

function ratioText(ratio: number): string {
  return Number.isFinite(ratio) ? `${ratio.toFixed(2)}x` : "-";
}

/** Figures, then ours over mosquitto's: more messages and fewer milliseconds are better. */
export function qos2Tables(outcomes: readonly Qos2Outcome[], options: Qos2Options): readonly Table[] {
  const cells = cellsOf(options);
  const ours = outcomes.find(({ contestant }) => contestant.isOurs);
  const peer = outcomes.find(({ contestant }) => !contestant.isOurs);
  const ratioOf = (cell: Cell, figure: Figure): string =>
    ratioText(median(figuresOf(ours, cell, figure)) / median(figuresOf(peer, cell, figure)));
  return [
    {
      title: "One publisher to one subscriber at QoS 2, 100 B",
      columns: ["", "sessions", "window", "delivered/s", "p50", "p99", "spread", "proof"],
      rows: cells.flatMap((cell) => outcomes.map((outcome) => rowOf(outcome, cell))),
      notes: [
        "Publisher and subscriber on the two nodes that do not lead. Latency is from PUBLISH to the subscriber's PUBREL; the window is of exchanges that are not over at both ends.",
        "Jangada commits on a majority of disks what either side may rely on: the message, for kept sessions also PUBREC and the release. Mosquitto has one process, and keeps all in memory.",
      ],
    },
    {
      title: "Ratios: ours over mosquitto's",
      columns: ["sessions", "window", "delivered/s", "p50", "p99"],
      rows: cells.map((cell) => [
        ...[describeSessions(cell.isClean), formatNumber(cell.window)],
        ...[ratioOf(cell, rate), ratioOf(cell, p50), ratioOf(cell, p99)],
      ]),
    },
  ];
}
