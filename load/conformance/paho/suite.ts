/** The interoperability suites of Eclipse Paho, 3.1.1 and 5.0, run with python3 against one broker, a process for each test. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { Child } from "../../lib/children.js";
import { findProgram } from "../../lib/paths.js";
import type { Address } from "../../lib/server.js";
import { PAHO_5, PAHO_311 } from "../names.js";
import { type Failure, notRun, type Skipped, type SuiteReport } from "../report.js";
import { DRIVER } from "./driver.js";

/** What a broker needs to be told for these suites: a keep-alive of 60 s at most, and a filter that nobody may subscribe to. */
export const PAHO_FLAGS = ["--max-keep-alive", "60s", "--deny-subscribe", "test/nosubscribe"] as const;

/** Some tests wait for what never comes when they fail. */
const TEST_MS_MAX = 90_000;

const FILES: Readonly<Record<string, string>> = {
  [PAHO_311]: "client_test.py",
  [PAHO_5]: "client_test5.py",
};

const NAMES = z.object({ names: z.array(z.string()) });
const OUTCOME = z.object({ outcome: z.enum(["passed", "failed", "skipped"]), detail: z.string() });
type Outcome = z.infer<typeof OUTCOME>;

interface Suite {
  readonly python: string;
  /** Where its packages lie. */
  readonly directory: string;
  readonly script: string;
  readonly address: Address;
}

/** What the driver prints for us, the last of it; or why there is nothing. */
async function runDriver(suite: Suite, test: string): Promise<{ readonly line: unknown } | string> {
  const { host, port } = suite.address;
  const args = ["-c", DRIVER, suite.script, host, String(port), test];
  const env = { PYTHONPATH: suite.directory, PYTHONDONTWRITEBYTECODE: "1" };
  const child = await Child.start(suite.python, args, { env });
  let found: { readonly line: unknown } | undefined;
  child.onLine((text) => {
    if (text.startsWith("@{")) found = { line: JSON.parse(text.slice(1)) };
  });
  const timer = setTimeout(() => child.signal("SIGKILL"), TEST_MS_MAX);
  const code = await child.exited;
  clearTimeout(timer);
  if (found !== undefined) return found;
  return code === null ? `not done after ${TEST_MS_MAX / 1000} s` : (child.tail.split("\n").at(-1) ?? "");
}

async function runTest(suite: Suite, test: string): Promise<Outcome> {
  const printed = await runDriver(suite, test);
  if (typeof printed === "string") return { outcome: "failed", detail: printed };
  return OUTCOME.parse(printed.line);
}

export function pahoReport(name: string, outcomes: ReadonlyMap<string, Outcome>): SuiteReport {
  const failures: Failure[] = [];
  const skipped: Skipped[] = [];
  for (const [test, { outcome, detail }] of outcomes) {
    if (outcome === "failed") failures.push({ name: test, detail: detail.split("\n")[0] ?? "" });
    if (outcome === "skipped") skipped.push({ name: test, reason: detail });
  }
  const passed = outcomes.size - failures.length - skipped.length;
  return { suite: name, passed, failures, skipped, notRun: null, notes: [] };
}

/** Runs one of the suites. Throws when it cannot even name its tests. */
export async function runPaho(name: string, checkout: string, address: Address): Promise<SuiteReport> {
  const python = findProgram("python3");
  if (python === null) return notRun(name, "python3 is not installed");
  const directory = join(checkout, "interoperability");
  const script = join(directory, FILES[name] ?? "");
  if (!existsSync(script)) return notRun(name, `${script} is not there`);
  const suite: Suite = { python, directory, script, address };
  const listed = await runDriver(suite, "");
  if (typeof listed === "string") throw new Error(`${name}: ${listed}`);
  const outcomes = new Map<string, Outcome>();
  for (const test of NAMES.parse(listed.line).names) {
    const outcome = await runTest(suite, test);
    console.log(`  ${test}: ${outcome.outcome}`);
    outcomes.set(test, outcome);
  }
  return pahoReport(name, outcomes);
}
