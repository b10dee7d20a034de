/** What every suite of the conformance run reports, and how it is shown: one row a suite, then each failure by name. */
import { groupBy } from "../lib/group-by.js";
import type { Table } from "../lib/table.js";
import { type Deviation, deviationOf } from "./deviations.js";

export interface Failure {
  /** The test's own name, with the file or group in front where that is needed to find it. */
  readonly name: string;
  /** One line. */
  readonly detail: string;
}

export interface Skipped {
  readonly name: string;
  readonly reason: string;
}

export interface SuiteReport {
  /** The name of the suite: deviations are listed by it. */
  readonly suite: string;
  readonly passed: number;
  readonly failures: readonly Failure[];
  readonly skipped: readonly Skipped[];
  /** Why it did not run at all; null when it did. */
  readonly notRun: string | null;
  /** Sentences under the table. */
  readonly notes: readonly string[];
}

export function notRun(suite: string, reason: string): SuiteReport {
  return { suite, passed: 0, failures: [], skipped: [], notRun: reason, notes: [] };
}

interface Judged {
  readonly report: SuiteReport;
  readonly expected: readonly (readonly [Failure, Deviation])[];
  readonly unexpected: readonly Failure[];
}

function judge(report: SuiteReport): Judged {
  const expected: [Failure, Deviation][] = [];
  const unexpected: Failure[] = [];
  for (const failure of report.failures) {
    const deviation = deviationOf(report.suite, failure.name);
    if (deviation === undefined) unexpected.push(failure);
    else expected.push([failure, deviation]);
  }
  return { report, expected, unexpected };
}

function row({ report, expected, unexpected }: Judged): readonly string[] {
  if (report.notRun !== null) return [report.suite, "-", "-", "-", "-", `not run: ${report.notRun}`];
  const total = report.passed + report.failures.length;
  const share = total === 0 ? "-" : `${((report.passed / total) * 100).toFixed(1)}%`;
  return [
    report.suite,
    String(report.passed),
    String(unexpected.length),
    String(expected.length),
    String(report.skipped.length),
    share,
  ];
}

const COLUMNS = ["suite", "passed", "failed", "failed on purpose", "skipped", "share passed"];

export interface Verdict {
  readonly table: Table;
  /** Every failure and every skipped test, one line each. */
  readonly lines: readonly string[];
  /** Whether nothing failed that we do not fail on purpose. */
  readonly clean: boolean;
}

function* linesOf({ report, expected, unexpected }: Judged): Iterable<string> {
  const { suite } = report;
  for (const { name, detail } of unexpected) yield `${suite}: FAILED ${name}: ${detail}`;
  const byDeviation = groupBy(expected, ([, deviation]) => deviation);
  for (const [{ clause, reason }, failures] of byDeviation) {
    yield `${suite}: failed on purpose (${clause}): ${reason}`;
    for (const [{ name, detail }] of failures) yield `${suite}:   ${name}: ${detail}`;
  }
  const byReason = groupBy(report.skipped, ({ reason }) => reason);
  for (const [reason, skipped] of byReason) {
    yield `${suite}: skipped ${skipped.length}: ${reason}: ${skipped.map(({ name }) => name).join(", ")}`;
  }
}

/** Everything that was run, judged. */
export function verdictOf(reports: readonly SuiteReport[]): Verdict {
  const judged = reports.map(judge);
  return {
    table: {
      title: "conformance",
      columns: COLUMNS,
      rows: judged.map(row),
      notes: reports.flatMap(({ suite, notes }) => notes.map((note) => `${suite}: ${note}`)),
    },
    lines: judged.flatMap((one) => [...linesOf(one)]),
    clean: judged.every(({ unexpected }) => unexpected.length === 0),
  };
}
