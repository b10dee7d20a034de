/** Exactly-once proposals: which of a series of proposals are applied. */
import { describe, expect, it } from "vitest";
import { Machine } from "../../../src/state-machine/machine.js";
import { publishOf } from "../commands/arbitrary-command.js";

/** Proposals as "origin incarnation sequence", each with what becomes of it. */
type Script = readonly (readonly [string, "applied" | "duplicate" | "out-of-order"])[];

const SCRIPTS: Record<string, Script> = {
  "in order": [
    ["1 1 1", "applied"],
    ["1 1 2", "applied"],
    ["1 1 3", "applied"],
  ],
  "a retry": [
    ["1 1 1", "applied"],
    ["1 1 1", "duplicate"],
    ["1 1 2", "applied"],
    ["1 1 1", "duplicate"],
  ],
  "a hole": [
    ["1 1 1", "applied"],
    ["1 1 3", "out-of-order"],
    ["1 1 2", "applied"],
    ["1 1 3", "applied"],
  ],
  "a stranger begins with 1": [
    ["9 4 2", "out-of-order"],
    ["9 4 1", "applied"],
  ],
  "a restart begins again with 1": [
    ["1 1 1", "applied"],
    ["1 1 2", "applied"],
    ["1 2 3", "out-of-order"],
    ["1 2 1", "applied"],
    ["1 2 2", "applied"],
  ],
  "what an earlier life proposed comes too late": [
    ["1 2 1", "applied"],
    ["1 1 1", "duplicate"],
    ["1 1 2", "duplicate"],
    ["1 2 2", "applied"],
  ],
  "a hole under a new incarnation leaves the old one in force": [
    ["1 1 1", "applied"],
    ["1 2 2", "out-of-order"],
    ["1 1 2", "applied"],
  ],
  "origins do not know each other": [
    ["1 1 1", "applied"],
    ["2 1 1", "applied"],
    ["2 1 2", "applied"],
    ["1 1 2", "applied"],
  ],
};

describe("proposals", () => {
  it.each(Object.entries(SCRIPTS))("%s", (_, script) => {
    const machine = new Machine();
    let index = 0;
    for (const [proposal, outcome] of script) {
      const [origin, incarnation, sequence] = proposal.split(" ");
      index += 1;
      const before = machine.stateHash();
      const applied = machine.apply(
        {
          origin: origin!,
          incarnation: Number(incarnation),
          sequence: Number(sequence),
          timeMs: 1000 * index,
          commands: [publishOf("a", "x")],
        },
        index,
      );
      expect(applied.outcome, proposal).toBe(outcome);
      expect(machine.appliedIndex).toBe(index);
      const count = outcome === "applied" ? 1 : 0;
      expect([applied.results.length > 0, applied.effects.length > 0]).toEqual([count > 0, count > 0]);
      expect(machine.stateHash() !== before).toBe(outcome === "applied");
    }
    expect(machine.head).toBe(script.filter(([, outcome]) => outcome === "applied").length);
  });

  it("tell which incarnation an origin is in, so that its next life can take a higher one", () => {
    const machine = new Machine();
    expect(machine.lastProposalOf("1").incarnation).toBe(0);
    const envelope = { origin: "1", incarnation: 5, sequence: 1, timeMs: 1, commands: [] };
    machine.apply(envelope, 1);
    machine.apply({ ...envelope, incarnation: 9, sequence: 2 }, 2);
    expect([machine.lastProposalOf("1").incarnation, machine.lastProposalOf("2").incarnation]).toEqual([
      5, 0,
    ]);
  });
});
