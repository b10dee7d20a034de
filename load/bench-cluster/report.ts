/** The benchmark's tables: what was reached, by how much it differs from the peers, and whether that meets the targets. */
import { median, spread } from "../lib/statistics.js";
import { formatMs, formatNumber, formatPercent, type Table } from "../lib/table.js";
import {
  CELLS,
  type Cell,
  formatPayload,
  PAYLOADS,
  RATIO_TARGETS,
  type RunOptions,
  TARGET_CELL,
  WINDOW_1_MS,
  WINDOWS,
} from "./plan.js";
import type { RowOutcome, Sample } from "./rounds.js";

/** Above this share of a core the client may have set the limit. */
const CLIENT_CPU_SHARE_MAX = 0.9;

function samplesOf(outcome: RowOutcome | undefined, cell: Cell): readonly Sample[] {
  return (outcome?.samples ?? []).filter(
    (sample) => sample.cell.payloadBytes === cell.payloadBytes && sample.cell.window === cell.window,
  );
}

/** Median of a figure over the rounds; NaN when there is none. */
export function cellMedian(
  outcome: RowOutcome | undefined,
  cell: Cell,
  figure: (sample: Sample) => number,
): number {
  return median(samplesOf(outcome, cell).map(figure));
}

const rateOf = (sample: Sample): number => sample.acknowledgedPerSecond;

/** The first proof that is not "ok", of all cells and rounds. */
export function worstProof(samples: readonly Sample[]): string {
  const proofs = samples.map(({ proof }) => proof);
  return proofs.find((proof) => proof !== "ok") ?? proofs[0] ?? "-";
}

function resultRow(outcome: RowOutcome, payloadBytes: number): string[] {
  const { row, samples, failure, contestant } = outcome;
  const cells = WINDOWS.map((window) => ({ payloadBytes, window }));
  const own = samples.filter(({ cell }) => cell.payloadBytes === payloadBytes);
  if (own.length === 0) return [row, contestant.fsync, failure ?? "-"];
  const figures = cells.flatMap((cell) => [
    formatNumber(cellMedian(outcome, cell, rateOf)),
    formatMs(cellMedian(outcome, cell, (sample) => sample.p50Ms)),
    formatMs(cellMedian(outcome, cell, (sample) => sample.p99Ms)),
  ]);
  const widest = Math.max(...cells.map((cell) => spread(samplesOf(outcome, cell).map(rateOf))));
  return [row, contestant.fsync, ...figures, formatPercent(widest), worstProof(own)];
}

/** Whose figures may be the client's limit rather than its own. */
function clientLimited(outcomes: readonly RowOutcome[]): string[] {
  const limited = outcomes.flatMap((outcome) =>
    CELLS.filter(
      (cell) => cellMedian(outcome, cell, (sample) => sample.clientCpuShare) > CLIENT_CPU_SHARE_MAX,
    ).map((cell) => `${outcome.row} (${formatPayload(cell.payloadBytes)}, window ${cell.window})`),
  );
  return limited.length === 0 ? [] : [`The client's core was nearly full beside ${limited.join(", ")}.`];
}

export function resultTables(outcomes: readonly RowOutcome[], options: RunOptions): readonly Table[] {
  const windows = WINDOWS.flatMap((window) => [`window ${window}, /s`, "p50", "p99"]);
  const columns = ["three nodes", "fsync before ack", ...windows, "spread", "stored"];
  return PAYLOADS.map((payloadBytes, index) => ({
    title: `Replicated publishes/s, one publisher, ${formatPayload(payloadBytes)}`,
    columns,
    rows: outcomes.map((outcome) => resultRow(outcome, payloadBytes)),
    notes: index < PAYLOADS.length - 1 ? [] : [...notesOf(options), ...clientLimited(outcomes)],
  }));
}

function notesOf(options: RunOptions): string[] {
  return [
    `Servers and client share all cores. Each cell: ${options.warmUpMs / 1000} s to warm up, ${options.measureMs / 1000} s measured. Spread is (largest - smallest) / median of the rounds, of the widest window.`,
    'Stored: "ok" is every acknowledged publish counted in the end; on each of the three nodes for Jangada (offsets and positions too), etcd and Redis, in the stream with both replicas current for NATS, in the queue for RabbitMQ.',
    "All clients are raw sockets with frames built beforehand. Peers are published to on the node that leads. Redis acknowledges by one WAIT 2 behind each window of XADDs: smaller parts are slower.",
  ];
}

function ratioText(ratio: number): string {
  return Number.isFinite(ratio) ? `${ratio.toFixed(ratio < 10 ? 2 : 0)}x` : "-";
}

function isOurs(outcome: RowOutcome): boolean {
  return outcome.contestant.key === "jangada";
}

export function ratioTable(outcomes: readonly RowOutcome[]): Table {
  const ours = outcomes.filter(isOurs);
  const peers = outcomes.filter((outcome) => !isOurs(outcome));
  return {
    title: "Ratios: ours over theirs, publishes/s",
    columns: [
      "against",
      "from",
      ...CELLS.map(({ payloadBytes, window }) => `${formatPayload(payloadBytes)}, ${window}`),
    ],
    rows: peers.flatMap((peer) =>
      ours.map((own) => [
        peer.row,
        own.row,
        ...CELLS.map((cell) => ratioText(cellMedian(own, cell, rateOf) / cellMedian(peer, cell, rateOf))),
      ]),
    ),
  };
}

function verdict(met: boolean, figure: number): string {
  if (!Number.isFinite(figure)) return "not measured";
  return met ? "met" : "NOT MET";
}

export function targetTable(outcomes: readonly RowOutcome[]): Table {
  const ours = outcomes.filter(isOurs);
  const where = `${formatPayload(TARGET_CELL.payloadBytes)}, window ${TARGET_CELL.window}`;
  const ratios = RATIO_TARGETS.map(({ key, ratio: wanted }) => {
    const peer = outcomes.find(({ contestant }) => contestant.key === key);
    const reached = ours.flatMap((own) => {
      const ratio = cellMedian(own, TARGET_CELL, rateOf) / cellMedian(peer, TARGET_CELL, rateOf);
      return [ratioText(ratio), verdict(ratio >= wanted, ratio)];
    });
    return [`publishes/s over ${peer?.row ?? key}, ${where}`, `${wanted}x`, ...reached];
  });
  const first: Cell = { payloadBytes: TARGET_CELL.payloadBytes, window: 1 };
  const latencies = ours.flatMap((own) => {
    const ms = cellMedian(own, first, (sample) => sample.p50Ms);
    return [formatMs(ms), verdict(ms < WINDOW_1_MS, ms)];
  });
  return {
    title: "Targets",
    columns: ["what", "target", ...ours.flatMap(({ row }) => [row, ""])],
    rows: [
      ...ratios,
      [
        `median latency, ${formatPayload(first.payloadBytes)}, window 1`,
        `under ${WINDOW_1_MS} ms`,
        ...latencies,
      ],
    ],
  };
}
