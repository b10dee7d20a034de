/** All bugs that are planted by changing the built program. */
import type { Mutant } from "./mutant.js";
import { MUTANTS_OF_CONSENSUS } from "./of-consensus.js";
import { MUTANTS_OF_DISKS } from "./of-disks.js";
import { MUTANTS_OF_MEMBERSHIP } from "./of-membership.js";
import { MUTANTS_OF_SESSION_CLIENTS } from "./of-session-clients.js";
import { MUTANTS_OF_SESSIONS } from "./of-sessions.js";
import { MUTANTS_OF_THE_BROKER } from "./of-the-broker.js";

export const MUTANTS: readonly Mutant[] = [
  ...MUTANTS_OF_CONSENSUS,
  ...MUTANTS_OF_MEMBERSHIP,
  ...MUTANTS_OF_THE_BROKER,
  ...MUTANTS_OF_SESSIONS,
  ...MUTANTS_OF_SESSION_CLIENTS,
  ...MUTANTS_OF_DISKS,
];
