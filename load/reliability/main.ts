/** `npm run reliability`: writes RELIABILITY.md from the recorded results. Ends with 1 when one is missing. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { repositoryRoot } from "../lib/paths.js";
import { runMain } from "../lib/support.js";
import { renderPage } from "./page.js";
import { recordedCampaigns, recordedRuns } from "./record.js";

async function main(): Promise<number> {
  const results = new Map(recordedCampaigns().map((campaign) => [campaign, recordedRuns(campaign)]));
  const file = join(repositoryRoot(), "RELIABILITY.md");
  writeFileSync(file, renderPage(results));
  console.log(file);
  return 0;
}

runMain(main);
