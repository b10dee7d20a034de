/**
 * Rounds: every contestant in turn, its three servers up for its own turn alone, all cells one after the other; then all of it
 * again. What cannot be measured says why, and the others go on.
 */
import { Loader } from "../lib/loader.js";
import { cpuSeconds } from "../lib/machine.js";
import { delay } from "../lib/support.js";
import { formatMs, formatNumber, formatPercent } from "../lib/table.js";
import type { ClusterPublishArgs, ClusterPublishReport } from "../loaders/cluster-publish.js";
import type { ClusterContestant, RunningCluster } from "./contestant.js";
import { CELLS, type Cell, formatPayload, type RunOptions } from "./plan.js";

export interface Sample extends ClusterPublishReport {
  readonly cell: Cell;
  /** "ok", or what is wrong with what is stored. */
  readonly proof: string;
  /** Of one core, all three servers together, from connecting to the last acknowledgement. */
  readonly serverCpuShare: number;
}

/** What one row reached in all rounds. */
export interface RowOutcome {
  readonly contestant: ClusterContestant;
  readonly row: string;
  readonly samples: Sample[];
  failure: string | null;
}

/** Servers start cold (compilers, caches, first files): a run for each row that counts for nothing. */
const WARM_UP_CELL: Cell = { payloadBytes: 100, window: 1000 };
const WARM_UP_RUN: Omit<RunOptions, "rounds"> = { warmUpMs: 500, measureMs: 1500 };
/** After a run servers still write and compact. */
const SETTLE_MS = 300;
const MARGIN_MS = 60_000;

function sumCpu(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
}

async function measureCell(
  contestant: ClusterContestant,
  running: RunningCluster,
  row: string,
  cell: Cell,
  channel: string,
  options: RunOptions,
): Promise<Sample> {
  const address = await running.route(row, channel);
  const loader = await Loader.start("cluster-publish");
  try {
    const { warmUpMs, measureMs } = options;
    const args: ClusterPublishArgs = {
      ...{ ...address, ...cell, channel, warmUpMs, measureMs },
      protocol: contestant.protocol,
    };
    const [startedAt, cpuBefore] = [performance.now(), sumCpu(running.pids)];
    const report = await loader.ask<ClusterPublishReport>("run", args, warmUpMs + measureMs + MARGIN_MS);
    const seconds = (performance.now() - startedAt) / 1000;
    const serverCpuShare = (sumCpu(running.pids) - cpuBefore) / seconds;
    return { ...report, cell, proof: await running.prove(channel, report), serverCpuShare };
  } finally {
    await loader.stop();
    await delay(SETTLE_MS);
  }
}

function describe({ cell, proof, failure, ...sample }: Sample): string {
  return [
    `${formatPayload(cell.payloadBytes)}, window ${cell.window}: ${formatNumber(sample.acknowledgedPerSecond)}/s`,
    `p50 ${formatMs(sample.p50Ms)}, p99 ${formatMs(sample.p99Ms)}, stored ${proof}`,
    `servers ${formatPercent(sample.serverCpuShare)}, client ${formatPercent(sample.clientCpuShare)}`,
    ...(failure === null ? [] : [failure]),
  ].join(", ");
}

/** One contestant's turn. */
async function runTurn(
  contestant: ClusterContestant,
  outcomes: readonly RowOutcome[],
  round: number,
  options: RunOptions,
): Promise<void> {
  const fail = (error: unknown): void => {
    const text = error instanceof Error ? error.message : String(error);
    console.error(`  round ${round}, ${contestant.key}: ${text}`);
    for (const outcome of outcomes) outcome.failure ??= text.split("\n")[0] ?? text;
  };
  let running: RunningCluster | undefined;
  try {
    running = await contestant.start();
    for (const [at, { row }] of outcomes.entries()) {
      const run = { ...options, ...WARM_UP_RUN };
      await measureCell(contestant, running, row, WARM_UP_CELL, `warm-${round}-${at}`, run);
    }
    // In turn the other way round, so that no row is always the one on servers that have just started.
    const entries = [...outcomes.entries()];
    for (const [at, outcome] of round % 2 === 0 ? entries.reverse() : entries) {
      for (const [index, cell] of CELLS.entries()) {
        const channel = `run-${round}-${at}-${index}`;
        const sample = await measureCell(contestant, running, outcome.row, cell, channel, options);
        console.log(`  round ${round}, ${outcome.row}: ${describe(sample)}`);
        outcome.samples.push(sample);
      }
    }
  } catch (error) {
    fail(error);
  }
  await running?.stop();
}

export async function runClusterRounds(
  contestants: readonly ClusterContestant[],
  options: RunOptions,
): Promise<readonly RowOutcome[]> {
  const outcomes = contestants.flatMap((contestant) =>
    contestant.rows.map((row): RowOutcome => ({ contestant, row, samples: [], failure: contestant.missing })),
  );
  for (let round = 1; round <= options.rounds; round++) {
    for (const contestant of contestants) {
      if (contestant.missing !== null) continue;
      const own = outcomes.filter((outcome) => outcome.contestant === contestant);
      await runTurn(contestant, own, round, options);
    }
  }
  return outcomes;
}
