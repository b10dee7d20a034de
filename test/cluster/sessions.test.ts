/**
 * Sessions on three real nodes, one of which goes away, the short version (the long one is `npm run test:sessions`): what was
 * acknowledged is with every subscriber, once at QoS 2, in order; and the wills of a dead node's clients come, each once.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { removeDirectory, seededRandom, temporaryDirectory } from "../../load/lib/support.js";
import { LoopbackTerrain } from "../../load/lib/terrain.js";
import { MOVES, runMoves } from "../../load/sessions/moves.js";
import { runWills } from "../../load/sessions/wills.js";

const SEED = 4;
const TIMEOUT_MS = 120_000;

let directory: string;
let lines: string[];
beforeEach(() => {
  directory = temporaryDirectory("sessions-test");
  lines = [];
});
afterEach(() => removeDirectory(directory));

const conditions = () => ({
  ...{ terrain: new LoopbackTerrain(directory), random: seededRandom(SEED), rounds: 1 },
  log: (line: string) => lines.push(line),
});

describe("kept sessions go on elsewhere, with nothing lost, doubled or out of order:", () => {
  it.each(MOVES)(
    "%s",
    async (move) => {
      const report = await runMoves(move, { ...conditions(), pauseMs: 10, messages: 100 });
      expect(report.violations, lines.join("\n")).toEqual([]);
      expect(report.rounds).toBe(1);
      expect(report.delivered).toBe(4 * report.acknowledged);
    },
    TIMEOUT_MS,
  );
});

it(
  "the wills of a dead node's clients are published once, and not those of who said goodbye",
  async () => {
    const report = await runWills({ ...conditions(), clients: 100 });
    expect(
      report.violations.filter(({ kind }) => kind !== "late"),
      lines.join("\n"),
    ).toEqual([]);
    expect(report.wills).toBe(95);
  },
  TIMEOUT_MS,
);
