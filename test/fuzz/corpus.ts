/**
 * Inputs that each reached something that no input before them did. Kept in the repository as one text file a target, an input a line,
 * deflated and in base64, as few as reach what all reached.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { deflateRawSync, inflateRawSync } from "node:zlib";

/** The repository, from the sources and from what they are compiled to. */
export function repositoryRoot(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, "package.json"))) directory = dirname(directory);
  return directory;
}

function fileOf(name: string): string {
  return join(repositoryRoot(), "test", "fuzz", "corpus", `${name}.txt`);
}

/** The kept inputs of a target, those with which something was found among them: these have a file of their own, which is only added to. */
export function readCorpus(target: string): Buffer[] {
  return [...inputsIn(fileOf(`${target}.found`)), ...inputsIn(fileOf(target))];
}

function inputsIn(file: string): Buffer[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => inflateRawSync(Buffer.from(line, "base64")));
}

/** Adds an input with which something was found: it is tried for ever. */
export function appendFound(target: string, input: Uint8Array): string {
  const file = fileOf(`${target}.found`);
  appendFileSync(file, `${lineOf(input)}\n`);
  return file;
}

function lineOf(input: Uint8Array): string {
  return deflateRawSync(input, { level: 9 }).toString("base64");
}

export function writeCorpus(target: string, inputs: readonly Uint8Array[]): string {
  const file = fileOf(target);
  const lines = inputs.map(lineOf);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(
    file,
    lines
      .sort((a, b) => a.length - b.length || (a < b ? -1 : 1))
      .map((line) => `${line}\n`)
      .join(""),
  );
  return file;
}

/** An input with what it reached. */
export interface Reached {
  readonly input: Buffer;
  readonly features: readonly number[];
}

/** As few and as short inputs as a greedy choice finds that reach together what all reach. */
export function minimised(all: readonly Reached[]): Buffer[] {
  const missing = new Set(all.flatMap(({ features }) => features));
  const chosen: Buffer[] = [];
  let candidates = all.map((one) => ({ ...one, gain: one.features.length }));
  while (missing.size > 0) {
    let best: (typeof candidates)[number] | null = null;
    for (const candidate of candidates) {
      candidate.gain = candidate.features.reduce((sum, feature) => sum + (missing.has(feature) ? 1 : 0), 0);
      if (best === null || worth(candidate) > worth(best)) best = candidate;
    }
    if (best === null || best.gain === 0) break;
    for (const feature of best.features) missing.delete(feature);
    chosen.push(best.input);
    candidates = candidates.filter(({ gain }) => gain > 0);
  }
  return chosen;
}

/** What an input adds for its length. */
function worth({ gain, input }: { readonly gain: number; readonly input: Buffer }): number {
  return gain / (32 + input.length);
}
