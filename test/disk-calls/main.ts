/**
 * `npm run test:disk-calls [-- --only EIO|ENOSPC|EMFILE|short] [--step 1] [--record]`: each call of a scripted run fails once, in every way; ends with
 * 1 for a violation.
 */
import { Options } from "../../load/lib/options.js";
import { runMain } from "../../load/lib/support.js";
import { type CampaignRow, currentCommit, recordRun } from "../../load/reliability/record.js";
import { FAILURES, sweep } from "./sweep.js";

const WIDTH = 8;

async function main(): Promise<number> {
  const given = new Options(["only", "step"], ["record"]);
  const [begunMs, commit] = [performance.now(), given.has("record") ? currentCommit() : ""];
  const step = given.number("step", 1);
  const rows: CampaignRow[] = [];
  for (const failure of given.words("only", FAILURES)) {
    const report = await sweep({ failure, first: 1, step, width: WIDTH });
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
  if (given.has("record"))
    recordRun("disk-calls", {
      command: `npm run test:disk-calls${given.chosen(["only", "step"])}`,
      commit,
      seconds,
      rows,
    });
  return rows.every(({ violations }) => violations === 0) ? 0 : 1;
}

runMain(main);
