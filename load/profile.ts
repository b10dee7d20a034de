/** Where the time goes: the functions with the most time of their own in the CPU profiles that `node --cpu-prof` wrote. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "./lib/paths.js";

/** What we read of a .cpuprofile. Times are microseconds. */
export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
    };
  }[];
  readonly samples?: readonly number[];
  readonly timeDeltas?: readonly number[];
}

export interface SelfTime {
  readonly name: string;
  /** File and line, "" for what is inside the engine. */
  readonly place: string;
  readonly ms: number;
  /** Of the time in which the thread was not idle. */
  readonly share: number;
}

const IDLE = "(idle)";

function placeOf(url: string, lineNumber: number): string {
  if (url === "") return "";
  const path = url.replace("file://", "").replace(`${repositoryRoot()}/`, "");
  return `${path}:${lineNumber + 1}`;
}

/** The `count` functions with the most self time, and the milliseconds in which the thread was busy. */
export function topSelfTimes(
  profile: CpuProfile,
  count: number,
): { readonly busyMs: number; readonly top: readonly SelfTime[] } {
  const microsecondsById = new Map<number, number>();
  const { samples = [], timeDeltas = [] } = profile;
  for (const [at, id] of samples.entries()) {
    microsecondsById.set(id, (microsecondsById.get(id) ?? 0) + (timeDeltas[at] ?? 0));
  }
  const byFunction = new Map<string, { name: string; place: string; ms: number }>();
  let busyMs = 0;
  for (const { id, callFrame } of profile.nodes) {
    const ms = (microsecondsById.get(id) ?? 0) / 1000;
    if (ms === 0 || callFrame.functionName === IDLE) continue;
    busyMs += ms;
    const name = callFrame.functionName === "" ? "(anonymous)" : callFrame.functionName;
    const place = placeOf(callFrame.url, callFrame.lineNumber);
    const known = byFunction.get(`${name} ${place}`);
    if (known === undefined) byFunction.set(`${name} ${place}`, { name, place, ms });
    else known.ms += ms;
  }
  const top = [...byFunction.values()].sort((a, b) => b.ms - a.ms).slice(0, count);
  return { busyMs, top: top.map((entry) => ({ ...entry, share: entry.ms / busyMs })) };
}

const TOP = 25;

/** All profiles of a directory, one for each thread, the busiest first, as text. */
export function describeProfiles(directory: string, title: string): string {
  const files = readdirSync(directory).filter((file) => file.endsWith(".cpuprofile"));
  if (files.length === 0) return `${title}: no profile was written (did the server end by itself?)`;
  const threads = files
    .map((file) => JSON.parse(readFileSync(join(directory, file), "utf8")) as CpuProfile)
    .map((profile) => topSelfTimes(profile, TOP))
    .sort((a, b) => b.busyMs - a.busyMs);
  const sections = threads.map(({ busyMs, top }, at) => {
    const lines = top.map(
      ({ name, place, ms, share }) =>
        `${(share * 100).toFixed(1).padStart(6)}% ${ms.toFixed(0).padStart(7)} ms  ${name}  ${place}`,
    );
    return [`${title}: thread ${at + 1} of ${threads.length}, busy ${busyMs.toFixed(0)} ms`, ...lines].join(
      "\n",
    );
  });
  return sections.join("\n\n");
}
