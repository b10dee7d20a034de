/**
 * The simulator's command line: `npm run sim -- --seeds N [--first S] [--nodes 1|3|5]`, and `--seed S --trace` for the story of one.
 * Ends with 1 when a rule was broken.
 */
import { parseArgs } from "node:util";
import type { Size } from "./profile.js";
import { run } from "./simulation.js";

const SIZES: readonly Size[] = [1, 3, 5];

const HELP = `npm run sim -- [--seeds N] [--first S] [--nodes 1|3|5]
npm run sim -- --seed S [--nodes 1|3|5] [--trace]
`;

function write(text: string): void {
  process.stdout.write(`${text}\n`);
}

function numberOf(text: string, flag: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`--${flag} takes a number from 0 up`);
  return number;
}

interface Request {
  readonly seeds: readonly number[];
  readonly sizes: readonly Size[];
  readonly trace: boolean;
}

function requestOf(): Request | null {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "100" },
      first: { type: "string", default: "1" },
      seed: { type: "string" },
      nodes: { type: "string" },
      trace: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const { seed, nodes } = values;
  if (values.help) return null;
  const size = SIZES.find((known) => String(known) === nodes);
  if (nodes !== undefined && size === undefined) throw new Error("--nodes takes 1, 3 or 5");
  const first = numberOf(seed ?? values.first, seed === undefined ? "first" : "seed");
  const count = seed === undefined ? numberOf(values.seeds, "seeds") : 1;
  const sizes = size === undefined ? SIZES : [size];
  return { seeds: Array.from({ length: count }, (_, i) => first + i), sizes, trace: values.trace };
}

interface Totals {
  simulatedMs: number;
  violations: number;
  readonly counts: Record<string, number>;
}

async function runAll({ seeds, sizes, trace }: Request, totals: Totals): Promise<void> {
  for (const nodes of sizes) {
    for (const seed of seeds) {
      const result = await run({ seed, nodes, ...(trace ? { print: write } : {}) });
      totals.simulatedMs += result.simulatedMs;
      for (const [name, count] of Object.entries(result.counts)) {
        totals.counts[name] = (totals.counts[name] ?? 0) + count;
      }
      if (result.violation === null) continue;
      totals.violations += 1;
      write(`seed ${seed}, nodes ${nodes}: ${result.violation}`);
    }
  }
}

async function main(): Promise<number> {
  const request = requestOf();
  if (request === null) {
    process.stdout.write(HELP);
    return 0;
  }
  const totals: Totals = { simulatedMs: 0, violations: 0, counts: {} };
  const begunMs = performance.now();
  await runAll(request, totals);
  const seconds = (performance.now() - begunMs) / 1_000;
  const runs = request.seeds.length * request.sizes.length;
  const counts = Object.entries(totals.counts).map(([name, count]) => `${name} ${count}`);
  write(
    `seeds ${runs}, simulated ${(totals.simulatedMs / 1_000).toFixed(0)} s, ${counts.join(", ")}, violations ${totals.violations}, ${(runs / seconds).toFixed(1)} seeds/s`,
  );
  return totals.violations === 0 ? 0 : 1;
}

// Whoever reads a story through `head` has read enough.
process.stdout.on("error", () => process.exit(0));

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${HELP}`);
    process.exitCode = 2;
  },
);
