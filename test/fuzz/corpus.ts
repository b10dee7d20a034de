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
  // What an input adds only gets less: one that is still the best after another look is the best.
  const candidates = all.map((one) => ({ ...one, worth: worthOf(one, one.features.length) }));
  candidates.sort((a, b) => a.worth - b.worth);
  for (let best = candidates.pop(); best !== undefined && missing.size > 0; best = candidates.pop()) {
    const gain = best.features.reduce((sum, feature) => sum + (missing.has(feature) ? 1 : 0), 0);
    if (gain === 0) continue;
    best.worth = worthOf(best, gain);
    if (best.worth < (candidates.at(-1)?.worth ?? 0)) {
      insert(candidates, best);
      continue;
    }
    for (const feature of best.features) missing.delete(feature);
    chosen.push(best.input);
  }
  return chosen;
}

/** What an input adds for its length. */
function worthOf({ input }: Reached, gain: number): number {
  return gain / (32 + input.length);
}

/** Puts a candidate where it belongs in a list that is ordered by worth. */
function insert<T extends { readonly worth: number }>(candidates: T[], one: T): void {
  let low = 0;
  let high = candidates.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((candidates[middle]?.worth ?? 0) < one.worth) low = middle + 1;
    else high = middle;
  }
  candidates.splice(low, 0, one);
}
