/** Rules of who belongs, of starts, of the core's storage and of the log's time, each broken by itself. */
import { edit, GROWING, type Mutant, mutant } from "./mutant.js";

const CORE = "dist/cluster/raft-core.js";
const LOOP = "dist/cluster/ready-loop.js";
const NODE = "dist/cluster/node.js";
const RESTART = "dist/cluster/restart.js";

const PARTED =
  /another entry|out of range|the log lost its end|two leaders|a hole|has lost|were applied|another state|is not in the log|consensus core|invariant/;
const STUCK = /come or gone|nobody else|not within/;

export const MUTANTS_OF_MEMBERSHIP: readonly Mutant[] = [
  mutant({
    name: "a removal is told before its commit is on disk",
    rule: "ARCHITECTURE: who was taken out is not counted with",
    nodes: 1,
    edits: edit(LOOP, "commit >= (this.#changesBehind[0] ?? Number.POSITIVE_INFINITY)", "false"),
    conditions: GROWING,
    shows: STUCK,
    seedsMax: 1_000,
  }),
  mutant({
    name: "nobody waits for the append",
    rule: "embedder 1: persist, then send, apply, advance",
    nodes: 3,
    edits: edit(LOOP, "await this.#persist(ready);", "void this.#persist(ready);"),
    shows: PARTED,
  }),
  mutant({
    name: "the core goes on before its entries are on disk",
    rule: "embedder 1: advance comes last",
    nodes: 3,
    edits: [
      ...edit(LOOP, "await this.#persist(ready);", "core.advance(); await this.#persist(ready);"),
      ...edit(LOOP, 'crashPoint("applied");\n        core.advance();', 'crashPoint("applied");'),
    ],
    shows: PARTED,
  }),
  mutant({
    name: "failures of snapshots are not reported",
    rule: "embedder 4: always report a snapshot's success or failure",
    nodes: 3,
    edits: edit(
      NODE,
      'onFailed: (member) => this.#core.use((core) => core.reportSnapshot(member, "failed")),',
      "onFailed: () => undefined,",
    ),
    shows: STUCK,
    seedsMax: 1_000,
  }),
  mutant({
    name: "the term at the snapshot's index is another",
    rule: "embedder 8: our own Storage",
    nodes: 3,
    edits: edit(
      CORE,
      "return [this.#log.term(index), null];",
      "return [this.#log.term(index) + (index === this.#log.firstIndex() - 1 ? 1 : 0), null];",
    ),
    shows: /not within|by itself|invariant/,
  }),
  mutant({
    name: "the first entry behind the cut is left out",
    rule: "embedder 8: our own Storage",
    nodes: 3,
    edits: edit(
      CORE,
      "this.#log.entries(lo, hi, maxSize / 8)",
      "this.#log.entries(lo === this.#log.firstIndex() && hi > lo + 1 ? lo + 1 : lo, hi, maxSize / 8)",
    ),
    shows: /comes after/,
  }),
  mutant({
    name: "what a start finds applied is applied again",
    rule: "ARCHITECTURE: applying is exactly-once",
    nodes: 1,
    edits: edit(LOOP, "if (entry.index > this.#appliedBefore) {", "if (entry.index > 0) {"),
    shows: /a second time|does not start|stopped by itself|was seen before|another state/,
  }),
  mutant({
    name: "a snapshot from a peer changes no membership",
    rule: "ARCHITECTURE: the membership as of a snapshot travels with it",
    nodes: 3,
    edits: edit(LOOP, "membership.reset(newest.meta.index, newest.meta.confState);", ""),
    shows: /the membership as of entry|come or gone|not within/,
  }),
  mutant({
    name: "the commit index at a start is only what the log says",
    rule: "cluster/restart.ts: what is applied was committed",
    nodes: 3,
    edits: edit(
      RESTART,
      "const commit = Math.max(recovered.hardState.commit, stores.machine.durableIndex);",
      "const { commit } = recovered.hardState;",
    ),
    shows: /does not start|stopped by itself|consensus core|invariant/,
  }),
  mutant({
    name: "a removed member's id is given again",
    rule: "cluster/types.ts: ids are never used again",
    nodes: 3,
    edits: edit("dist/cluster/member-changes.js", "if (roster.removed.includes(id)) {", "if (id === null) {"),
    shows: /was removed, and is added again/,
    seedsMax: 1_000,
  }),
  mutant({
    name: "a node's incarnation is the same after a restart",
    rule: "ARCHITECTURE: incarnations only grow",
    nodes: 1,
    edits: edit("dist/test/sim/sim-node.js", "incarnation: this.#lives,", "incarnation: 1,"),
    shows: /never answered|not within|acknowledged/,
  }),
  mutant({
    name: "one node's wall clock is the log's time",
    rule: "reliability 9; ARCHITECTURE: wall clocks move it only as a majority's says",
    nodes: 3,
    edits: edit(
      "dist/src/commands/log-clock.js",
      "return Math.floor(this.#timeMs === 0 ? this.#options.clock.nowMs() : this.#timeMs);",
      "return Math.floor(this.#options.clock.nowMs());",
    ),
    shows: /the log's time is/,
  }),
];
