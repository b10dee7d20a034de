/**
 * The fuzzer's command line: `npm run fuzz -- [--target NAME] [--inputs N] [--seed S]`. `--save` keeps the inputs that reach most and those
 * with which something was found, `--record` keeps the figures, `--modules` shows what was reached of each. Ends with 1 when something did not hold.
 */
import { type CampaignRow, currentCommit, recordRun } from "../../load/reliability/record.js";
import { runCommand } from "../support/command-line.js";
import { type CampaignResult, runCampaign } from "./campaign.js";
import { appendFound, readCorpus, writeCorpus } from "./corpus.js";
import { commandOf, type Request, requestOf } from "./request.js";
import type { TargetPlace } from "./target.js";
import { TARGETS } from "./targets.js";

const HELP = `npm run fuzz -- [--target NAME]... [--inputs N] [--seconds N] [--seed S] [--save] [--record] [--modules]
targets: ${TARGETS.map(({ name }) => name).join(", ")}
`;

const MIB = 1024 * 1024;

function write(text: string): void {
  process.stdout.write(`${text}\n`);
}

function rowOf(
  name: string,
  { figures, branches, findings, seconds, isCutShort }: CampaignResult,
): CampaignRow {
  return {
    name,
    rounds: figures.inputs,
    violations: findings,
    figures: {
      guided: "coverage",
      "branches reached": branches.reached,
      "branches in all": branches.all,
      corpus: figures.corpus,
      "inputs/s": Math.round(figures.inputs / seconds),
      "longest input ms": Math.round(figures.longestMs),
      "memory peak MiB": Math.round(figures.memoryPeak / MIB),
      "largest allocation KiB": Math.round(figures.allocationPeak / 1024),
      ...(isCutShort ? { "ended early": "too many processes were lost" } : {}),
    },
  };
}

async function fuzz(
  place: TargetPlace,
  { inputs, seconds, seed, save, modules }: Request,
): Promise<CampaignRow> {
  const { name } = place;
  const result = await runCampaign({
    place,
    inputs,
    ...(seconds === null ? {} : { seconds }),
    seed,
    corpus: readCorpus(name),
    onFinding: ({ input, what, stack }) => {
      write(`${name}: FOUND ${what}\n  input (base64): ${input.toString("base64")}\n${stack}`);
      if (save) write(`${name}: kept in ${appendFound(name, input)}`);
    },
    onProgress: (text) => write(`${name}: ${text}`),
  });
  // One that was cut short has not chosen any: those that there are stay.
  if (save && !result.isCutShort)
    write(`${name}: ${result.corpus.length} inputs kept in ${writeCorpus(name, result.corpus)}`);
  if (modules) {
    for (const { path, reached, all } of result.modules) write(`  ${path}: ${reached} of ${all} branches`);
  }
  const row = rowOf(name, result);
  const figures = Object.entries(row.figures).map(([what, figure]) => `${what} ${figure}`);
  write(`${name}: ${row.rounds} inputs, ${row.violations} findings, ${figures.join(", ")}`);
  return row;
}

async function main(): Promise<number> {
  const request = requestOf();
  if (request === null) {
    process.stdout.write(HELP);
    return 0;
  }
  const commit = currentCommit();
  write(`--seed ${request.seed}`);
  let violations = 0;
  for (const place of request.places) {
    const begunMs = performance.now();
    const row = await fuzz(place, request);
    violations += row.violations;
    if (!request.record) continue;
    const command = commandOf(place.name, request);
    // A target a run: one that is stopped early keeps what was done.
    recordRun("fuzz", { command, commit, seconds: (performance.now() - begunMs) / 1_000, rows: [row] });
  }
  return violations === 0 ? 0 : 1;
}

process.stdout.on("error", () => process.exit(0));

runCommand(main, HELP);
