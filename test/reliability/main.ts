/** `npm run reliability`: writes RELIABILITY.md from the recorded results. Ends with 1 when a fault has none. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../../load/lib/paths.js";
import { runMain } from "../../load/lib/support.js";
import { renderPage } from "../../load/reliability/page.js";
import { recordedCampaigns, recordedRuns } from "../../load/reliability/record.js";
import { TRIED } from "./tables.js";

async function main(): Promise<number> {
  const results = new Map(recordedCampaigns().map((campaign) => [campaign, recordedRuns(campaign)]));
  const file = join(repositoryRoot(), "RELIABILITY.md");
  writeFileSync(file, renderPage(results, TRIED));
  process.stdout.write(`${file}\n`);
  return 0;
}

runMain(main);
