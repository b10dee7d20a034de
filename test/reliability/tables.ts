/**
 * What there is to be tried, campaign by campaign, as the campaigns' own tables say: RELIABILITY.md shows no result of what is not in
 * them any more, and names what has none yet. They stand among the tests, which load/ does not know.
 */
import { SCENARIO_NAMES } from "../../load/faults/catalogue.js";
import type { NamesByCampaign } from "../../load/reliability/results.js";
import { damagesOf, FILE_KINDS, type FileKind } from "../corruption/damage.js";
import { FAILURES } from "../disk-calls/sweep.js";
import { TARGETS } from "../fuzz/targets.js";
import { MUTANTS } from "../sim/mutants/mutants.js";
import { PLANTS } from "../sim/plants.js";

/** Places of crashes are found by running, and simulated lives are of no kind: these campaigns have no table. */
export const TRIED: NamesByCampaign = new Map<string, readonly string[]>([
  ["mutants", [...PLANTS, ...MUTANTS].map(({ name }) => name)],
  ["fuzz", TARGETS.map(({ name }) => name)],
  ["faults", SCENARIO_NAMES],
  [
    "corruption",
    (Object.keys(FILE_KINDS) as FileKind[]).flatMap((kind) =>
      damagesOf(kind).map((damage) => `${kind}: ${damage}`),
    ),
  ],
  ["disk-calls", FAILURES],
]);
