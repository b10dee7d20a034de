/**
 * `npm run test:disk-calls [-- --only EIO|ENOSPC|short] [--step 1] [--record]`: each call of a scripted run fails once, in every way; ends with
 * 1 for a violation.
 */
import { parseArgs } from "node:util";
import { type CampaignRow, currentCommit, recordRun } from "../../load/reliability/record.js";
import { FAILURES, sweep } from "./sweep.js";

const WIDTH = 8;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      step: { type: "string", default: "1" },
      record: { type: "boolean", default: false },
    },
  });
  const commit = values.record ? currentCommit() : "";
  const begunMs = performance.now();
  const rows: CampaignRow[] = [];
  for (const failure of FAILURES) {
    if (values.only !== undefined && values.only !== failure) continue;
    const report = await sweep({ failure, first: 1, step: Number(values.step), width: WIDTH });
    const { runs, hits, wentOn, stoppedItself, didNotStart, acknowledged, violations } = report;
    process.stdout.write(
      `${failure}: ${runs} runs, ${hits} calls failed: went on ${wentOn}, stopped itself ${stoppedItself}, did not start ${didNotStart}; acknowledged ${acknowledged}, violations ${violations.length}\n`,
    );
    for (const violation of violations) process.stdout.write(`  ${violation}\n`);
    const figures = {
      "went on": wentOn,
      "stopped itself": stoppedItself,
      "did not start": didNotStart,
      acknowledged,
    };
    rows.push({ name: failure, rounds: hits, violations: violations.length, figures });
  }
  const seconds = (performance.now() - begunMs) / 1_000;
  if (values.record) recordRun("disk-calls", { command: "npm run test:disk-calls", commit, seconds, rows });
  return rows.every(({ violations }) => violations === 0) ? 0 : 1;
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exit(2);
  },
);
