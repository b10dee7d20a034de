/**
 * What a campaign found, kept in the repository: one file a campaign in load/reliability/results/, newest run last. RELIABILITY.md is
 * made from these files alone (`npm run reliability`).
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../lib/paths.js";

/** One thing that was tried: a fault, a decoder, a planted bug, a number of nodes. */
export interface CampaignRow {
  readonly name: string;
  /** How often: rounds, seeds, inputs. */
  readonly rounds: number;
  /** Rules that were seen broken; for planted bugs, how many were not found. */
  readonly violations: number;
  /** Anything else that is worth a column, by its name with its unit. */
  readonly figures: Readonly<Record<string, number | string>>;
}

export interface CampaignRun {
  /** As one would type it again. */
  readonly command: string;
  /** The commit that it ran on; with a plus when files were changed. */
  readonly commit: string;
  /** The day: 2026-01-31. */
  readonly date: string;
  readonly seconds: number;
  readonly rows: readonly CampaignRow[];
}

/** Names of campaigns, which are names of files. */
const CAMPAIGN = /^[a-z0-9-]+$/;

function resultsDirectory(): string {
  return join(repositoryRoot(), "load", "reliability", "results");
}

function fileOf(campaign: string): string {
  if (!CAMPAIGN.test(campaign)) throw new Error(`"${campaign}" is not a name of a campaign`);
  return join(resultsDirectory(), `${campaign}.json`);
}

/** All runs of a campaign that were kept, oldest first. */
export function recordedRuns(campaign: string): readonly CampaignRun[] {
  const file = fileOf(campaign);
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : [];
}

/** Names of the campaigns of which runs were kept, in order. */
export function recordedCampaigns(): readonly string[] {
  const directory = resultsDirectory();
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((name) => name.endsWith(".json"))
    .map((name) => name.slice(0, -".json".length))
    .sort();
}

function git(...args: string[]): string {
  return execFileSync("git", ["-C", repositoryRoot(), ...args], { encoding: "utf8" }).trim();
}

/** The commit that is checked out, and a plus when what runs is not what was committed. */
export function currentCommit(): string {
  const changed = git("status", "--porcelain", "--", "src", "cluster", "test", "load/*.ts", "load/**/*.ts");
  return `${git("rev-parse", "--short=12", "HEAD")}${changed === "" ? "" : "+"}`;
}

/**
 * Keeps a run behind the earlier ones of its campaign; gives the file. `commit` is to be taken when the run begins, with
 * `currentCommit()`: what is checked out at its end may be something else.
 */
export function recordRun(campaign: string, run: Omit<CampaignRun, "date">): string {
  const file = fileOf(campaign);
  const date = new Date().toISOString().slice(0, 10);
  mkdirSync(resultsDirectory(), { recursive: true });
  writeFileSync(file, `${JSON.stringify([...recordedRuns(campaign), { ...run, date }], null, 2)}\n`);
  return file;
}
