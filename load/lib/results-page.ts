/**
 * load/RESULTS.md has a part for each program that generates one. A part begins with its mark; writing one leaves the others as
 * they are. What stands before the first mark is the part of `npm run bench`.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "./paths.js";

const PARTS = ["bench", "bench:cluster", "bench:qos2", "bench:connections"] as const;
export type ResultsPart = (typeof PARTS)[number];

const FIRST: ResultsPart = "bench";

function markOf(part: ResultsPart): string {
  return `<!-- part: npm run ${part} -->`;
}

/** The page with one part replaced, or added behind the others. */
export function withPart(page: string, part: ResultsPart, text: string): string {
  const found = new Map<ResultsPart, string>();
  let current: ResultsPart = FIRST;
  for (const line of page.split("\n")) {
    const marked = PARTS.find((candidate) => line === markOf(candidate));
    if (marked !== undefined) current = marked;
    else found.set(current, `${found.get(current) ?? ""}${line}\n`);
  }
  found.set(part, text);
  const parts = PARTS.flatMap((one) => {
    const body = found.get(one)?.trim() ?? "";
    if (body === "") return [];
    return [one === FIRST ? body : `${markOf(one)}\n\n${body}`];
  });
  return `${parts.join("\n\n")}\n`;
}

/** Writes one part of load/RESULTS.md and returns its path. */
export function writePart(part: ResultsPart, text: string): string {
  const file = join(repositoryRoot(), "load", "RESULTS.md");
  const page = existsSync(file) ? readFileSync(file, "utf8") : "";
  writeFileSync(file, withPart(page, part, text));
  return file;
}
