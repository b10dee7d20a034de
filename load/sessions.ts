/**
 * `npm run test:sessions -- [--rounds 10] [--only kill-subscriber-node,kill-leader,both-move,graceful,wills] [--seed N] [--clients 1000]
 * [--json FILE]`: three nodes, sessions on one of them, and that node goes away; exit code 1 for anything lost, doubled at QoS 2, out of
 * order or late.
 */
import { writeFileSync } from "node:fs";
import { Options } from "./lib/options.js";
import { median } from "./lib/statistics.js";
import {
  keepDirectory,
  removeDirectory,
  runMain,
  seededRandom,
  setDeadline,
  temporaryDirectory,
} from "./lib/support.js";
import { formatMs, formatNumber, renderText, type Table } from "./lib/table.js";
import { LoopbackTerrain, type Terrain } from "./lib/terrain.js";
import type { Violation } from "./sessions/audit.js";
import { MOVES, type Move, type MovesReport, runMoves } from "./sessions/moves.js";
import { runWills, type WillsReport } from "./sessions/wills.js";

const VARIANTS = [...MOVES, "wills"] as const;
type Variant = (typeof VARIANTS)[number];
const VARIANT_SECONDS_MAX = 300;
const ROUND_SECONDS_MAX = 120;

const isMove = (variant: Variant): variant is Move => variant !== "wills";

/** On a directory of its own, which stays as evidence when something was violated. */
async function withTerrain<Report extends { readonly violations: readonly Violation[] }>(
  run: (terrain: Terrain) => Promise<Report>,
): Promise<Report> {
  const directory = temporaryDirectory("sessions");
  const report = await run(new LoopbackTerrain(directory));
  if (report.violations.length === 0) removeDirectory(directory);
  else {
    keepDirectory(directory);
    console.log(`  data and logs are kept in ${directory}`);
  }
  return report;
}

const worst = (values: readonly number[]): string =>
  formatMs(values.length === 0 ? Number.NaN : Math.max(...values));

function countOf({ violations }: MovesReport, kind: Violation["kind"]): string {
  return formatNumber(violations.filter((violation) => violation.kind === kind).length);
}

function moveRow(move: Move, report: MovesReport): readonly string[] {
  return [
    move,
    formatNumber(report.rounds),
    formatNumber(report.acknowledged),
    formatNumber(report.refused),
    formatNumber(report.delivered),
    formatNumber(report.again),
    countOf(report, "lost"),
    countOf(report, "doubled"),
    countOf(report, "disorder"),
    formatMs(median(report.resumesMs)),
    worst(report.resumesMs),
    formatNumber(report.violations.length),
  ];
}

function movesTable(moves: ReadonlyMap<Move, MovesReport>, seed: number): Table {
  return {
    title: `Sessions through a node's end, seed ${seed}`,
    columns: [
      ...["", "rounds", "acknowledged", "refused", "delivered", "again at QoS 1"],
      ...["lost", "doubled at QoS 2", "out of order", "resumed after, median", "worst", "violations"],
    ],
    rows: [...moves].map(([move, report]) => moveRow(move, report)),
    notes: [
      "Four subscribers (QoS 1 and 2, MQTT 3.1.1 and 5.0), four MQTT publishers and one over HTTP; delivered is the sum over the subscribers.",
    ],
  };
}

function willsTable({ rounds, wills, firstMs, lastMs, violations }: WillsReport, seed: number): Table {
  return {
    title: `Wills of a dead node's clients, seed ${seed}`,
    columns: ["", "rounds", "wills", "first, median", "last, median", "worst", "violations"],
    rows: [
      [
        ...["wills", formatNumber(rounds), formatNumber(wills)],
        ...[formatMs(median(firstMs)), formatMs(median(lastMs)), worst(lastMs)],
        formatNumber(violations.length),
      ],
    ],
    notes: ["From the kill to a will's arrival at a subscriber on another node; nobody has a keep-alive."],
  };
}

async function main(): Promise<number> {
  const given = new Options(["rounds", "only", "seed", "clients", "messages", "pause-ms", "json"]);
  const rounds = given.number("rounds", 10);
  const variants = given.words("only", VARIANTS);
  const seed = given.number("seed", Math.floor(Math.random() * 2 ** 32), 0);
  setDeadline(
    variants.length * (VARIANT_SECONDS_MAX + rounds * ROUND_SECONDS_MAX) * 1000,
    "sessions campaign",
  );
  console.log(`sessions campaign: ${variants.join(", ")}; ${rounds} rounds each, --seed ${seed}`);
  const shared = { rounds, random: seededRandom(seed), log: (line: string) => console.log(line) };
  const moves = new Map<Move, MovesReport>();
  let wills: WillsReport | null = null;
  for (const variant of variants) {
    console.log(`${variant}:`);
    if (isMove(variant)) {
      const figures = { pauseMs: given.number("pause-ms", 5), messages: given.number("messages", 300) };
      moves.set(
        variant,
        await withTerrain((terrain) => runMoves(variant, { ...shared, ...figures, terrain })),
      );
    } else {
      const clients = given.number("clients", 1_000);
      wills = await withTerrain((terrain) => runWills({ ...shared, clients, terrain }));
    }
  }
  if (moves.size > 0) console.log(`\n${renderText(movesTable(moves, seed))}`);
  if (wills !== null) console.log(`\n${renderText(willsTable(wills, seed))}`);
  const file = given.text("json", "");
  if (file !== "") writeFileSync(file, `${JSON.stringify({ seed, moves: [...moves], wills }, null, 2)}\n`);
  const reports = [...moves.values(), ...(wills === null ? [] : [wills])];
  return reports.every(({ violations, roundsNotRun }) => violations.length + roundsNotRun === 0) ? 0 : 1;
}

runMain(main);
