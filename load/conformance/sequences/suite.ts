/**
 * All sequences of a mosquitto checkout against one broker. Those that share topics or client identifiers with others go one after
 * another, in the order of the files; the rest, malformed packets nearly all, go in parallel.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { inParallel } from "../../lib/drain-socket.js";
import type { Address } from "../../lib/server.js";
import { SEQUENCES } from "../names.js";
import { type Failure, notRun, type SuiteReport } from "../report.js";
import { readSequences, type Sequence } from "./files.js";
import { perform } from "./perform.js";

const WIDTH = 8;
const PATIENCE_MS = 5_000;
const SUBACK_FIRST = 0x90;

/** Whether another sequence at the same time could change what happens. */
function isSociable({ connects, steps }: Sequence): boolean {
  return (
    !connects ||
    steps.some(
      (step) => step.kind === "publish" || (step.kind === "receive" && step.bytes[0] === SUBACK_FIRST),
    )
  );
}

/** Failures by file, and how many there are of each. */
function tally(sequences: readonly Sequence[], failures: readonly (readonly [Sequence, string])[]): string[] {
  const files = [...new Set(sequences.map(({ file }) => file))];
  return files.flatMap((file) => {
    const all = sequences.filter((one) => one.file === file).length;
    const failed = failures.filter(([one]) => one.file === file).length;
    return failed === 0 ? [] : [`${file}: ${all - failed} of ${all}`];
  });
}

export async function runSequences(checkout: string, address: Address): Promise<SuiteReport> {
  const directory = join(checkout, "test", "broker", "data");
  if (!existsSync(directory)) return notRun(SEQUENCES, `${directory} is not there`);
  const sequences = readSequences(directory);
  const found = new Map<Sequence, string>();
  const run = async (sequence: Sequence | undefined): Promise<void> => {
    if (sequence === undefined) return;
    const clientId = `sequence ${sequences.indexOf(sequence)}`;
    const failure = await perform(sequence, { address, patienceMs: PATIENCE_MS, clientId });
    if (failure !== null) found.set(sequence, failure);
  };
  const alone = sequences.filter((one) => !isSociable(one));
  await inParallel(alone.length, WIDTH, (at) => run(alone[at]));
  for (const sequence of sequences.filter(isSociable)) await run(sequence);
  const failed = sequences.flatMap((sequence): [Sequence, string][] => {
    const failure = found.get(sequence);
    return failure === undefined ? [] : [[sequence, failure]];
  });
  const failures = failed.map(([{ file, name }, detail]): Failure => ({ name: `${file} ${name}`, detail }));
  return {
    suite: SEQUENCES,
    passed: sequences.length - failures.length,
    failures,
    skipped: [],
    notRun: null,
    notes: tally(sequences, failed),
  };
}
