/**
 * The simulator's command line: `npm run sim -- --seeds N [--first S] [--nodes 1|3|5]` runs many seeds on all cores, `--seed S --trace`
 * tells the story of one. Ends with 1 when a rule was broken.
 */
import { currentCommit, recordRun } from "../../load/reliability/record.js";
import { runCommand } from "../support/command-line.js";
import { cpuMsSince } from "./cpu.js";
import { runCrew } from "./crew.js";
import { Figures } from "./figures.js";
import type { Size } from "./profile.js";
import { commandOf, type Request, requestOf, SIZES } from "./request.js";
import { shrink } from "./shrink.js";
import { run } from "./simulation.js";
import type { Assignment } from "./worker.js";

/** Of ten seeds, when nobody says how many nodes. */
const MIX: readonly Size[] = [3, 5, 3, 1, 3, 5, 3, 1, 3, 5];
const PROGRESS_MS = 10_000;

const HELP = `npm run sim -- [--seeds N] [--first S] [--nodes 1|3|5] [--mode M] [--jobs J] [--short | --record]
npm run sim -- --seed S --nodes 1|3|5 [--short] [--mode M] [--trace] [--shrink]
npm run sim -- --replay JSON [--trace]     what --shrink printed

modes: both (usual), safety (nothing is ever wrong), liveness (a majority that is left alone serves)
`;

function write(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** A seed's number of nodes, where nobody says: the same in every run. */
function nodesOf(seed: number): Size {
  return MIX[seed % MIX.length] ?? 3;
}

function* assignmentsOf({ first, seeds, nodes, length, mode }: Request): Generator<Assignment> {
  for (let seed = first; seed < first + seeds; seed += 1)
    yield { seed, nodes: nodes ?? nodesOf(seed), length, mode };
}

async function runOne({
  first: seed,
  nodes,
  length,
  mode,
  trace,
  shrink: isShrunk,
  replay,
}: Request): Promise<number> {
  const options = replay ?? { seed, nodes: nodes ?? nodesOf(seed), length, mode };
  const figures = new Figures(options.nodes);
  const begun = process.cpuUsage();
  const result = await run({ ...options, ...(trace ? { print: write } : {}) });
  figures.add(result, cpuMsSince(begun));
  write(figures.text());
  if (result.violation === null) return 0;
  write(`seed ${options.seed}, nodes ${options.nodes}: ${result.violation}`);
  if (isShrunk) {
    const { options: small, result: smallest, runs } = await shrink(options, result);
    write(
      `${result.strokes.length} strokes made ${smallest.strokes.length} in ${runs} runs: ${smallest.violation}`,
    );
    write(`npm run sim -- --trace --replay '${JSON.stringify(small)}'`);
  }
  return 1;
}

async function runMany(request: Request): Promise<number> {
  const { seeds, jobs, isRecorded, mode } = request;
  const commit = isRecorded ? currentCommit() : "";
  const all = new Map(SIZES.map((nodes) => [nodes, new Figures(nodes)]));
  const sum = (of: (figures: Figures) => number): number =>
    [...all.values()].reduce((total, figures) => total + of(figures), 0);
  const begunMs = performance.now();
  const elapsedS = (): number => (performance.now() - begunMs) / 1_000;
  const progress = setInterval(() => {
    const done = sum((figures) => figures.seeds);
    process.stderr.write(`${done} of ${seeds} seeds, ${(done / elapsedS()).toFixed(1)} seeds/s\n`);
  }, PROGRESS_MS);
  await runCrew({
    assignments: assignmentsOf(request),
    processes: jobs,
    onOutcome: ({ seed, nodes }, { result, cpuMs }) => {
      all.get(nodes)?.add(result, cpuMs);
      if (result.violation !== null) write(`seed ${seed}, nodes ${nodes}: ${result.violation}`);
    },
  });
  clearInterval(progress);
  const run = [...all.values()].filter((figures) => figures.seeds > 0);
  for (const figures of run) write(figures.text());
  const seconds = elapsedS();
  const violations = sum((figures) => figures.violations);
  write(
    `seeds ${seeds} in ${seconds.toFixed(0)} s: ${Math.round((seeds / seconds) * 3_600)} seeds/hour, violations ${violations}`,
  );
  if (isRecorded) {
    recordRun("sim", {
      command: commandOf(request),
      commit,
      seconds,
      rows: run.map((figures) => figures.row(mode)),
    });
  }
  return violations === 0 ? 0 : 1;
}

async function main(): Promise<number> {
  const request = requestOf();
  if (request !== null) return request.isOne ? runOne(request) : runMany(request);
  process.stdout.write(HELP);
  return 0;
}

// Whoever reads a story through `head` has read enough.
process.stdout.on("error", () => process.exit(0));

runCommand(main, HELP);
