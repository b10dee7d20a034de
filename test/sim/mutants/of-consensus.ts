/** Rules of consensus and of who embeds its core, each broken by itself. */
import { ENTRY_BY_ENTRY, edit, type Mutant, mutant, PUBLISHERS_ALONE, SOLE_VOTER } from "./mutant.js";

const ENGINE = "node_modules/@coaty/consensus.raft/ported";
const LOOP = "dist/cluster/ready-loop.js";
const CORE = "dist/cluster/raft-core.js";
const NODE = "dist/cluster/node.js";
const CHANGES = "dist/cluster/member-changes.js";
const KEEPER = "dist/cluster/snapshot-keeper.js";
const READS = "dist/cluster/reads.js";

/** Histories that part. */
const PARTED =
  /another entry|out of range|the log lost its end|two leaders|a hole|has lost|were applied|another state|is not in the log|consensus core|invariant/;
const STALE = /reads up to/;

export const MUTANTS_OF_CONSENSUS: readonly Mutant[] = [
  mutant({
    name: "an older term's entry is committed by counting",
    rule: "Raft thesis 3.6.2",
    nodes: 3,
    edits: edit(
      `${ENGINE}/log.js`,
      "this.zeroTermOnErrCompacted(...this.term(maxIndex)) === term",
      "maxIndex <= this.lastIndex()",
    ),
    conditions: ENTRY_BY_ENTRY,
    shows: PARTED,
    seedsMax: 4_000,
  }),
  mutant({
    name: "votes are given without a look at the log",
    rule: "Raft thesis 3.6.1",
    nodes: 3,
    edits: edit(
      `${ENGINE}/log.js`,
      "return term > this.lastTerm() || (term === this.lastTerm() && lasti >= this.lastIndex());",
      "return true;",
    ),
    shows: PARTED,
  }),
  mutant({
    name: "one acknowledgement too few commits",
    rule: "Raft thesis 3.3: a majority",
    nodes: 3,
    edits: edit(
      `${ENGINE}/quorum/majority.js`,
      "const pos = n - (Math.floor(n / 2) + 1);",
      "const pos = n - Math.max(1, Math.floor(n / 2));",
    ),
    shows: PARTED,
  }),
  mutant({
    name: "one vote too few elects",
    rule: "Raft thesis 3.4: a majority",
    nodes: 3,
    edits: edit(
      `${ENGINE}/quorum/majority.js`,
      "const q = Math.floor(this.map.size / 2) + 1;",
      "const q = Math.max(1, Math.floor(this.map.size / 2));",
    ),
    shows: PARTED,
  }),
  mutant({
    name: "committed entries are applied before the append that holds them",
    rule: "embedder 1: persist, send, apply, advance",
    nodes: 1,
    edits: edit(
      LOOP,
      "await this.#persist(ready);",
      "this.#apply(ready.committed); ready = { ...ready, committed: [] }; await this.#persist(ready);",
    ),
    shows: PARTED,
  }),
  mutant({
    name: "votes and answers leave before the disk has them",
    rule: "embedder 1: persist, then send",
    nodes: 3,
    edits: edit(
      LOOP,
      "const late = this.#sendEarly(ready);",
      "for (const message of ready.messages) send(message); const late = [];",
    ),
    shows: PARTED,
  }),
  mutant({
    name: "entries are applied before the snapshot that precedes them",
    rule: "embedder 1: the snapshot first",
    nodes: 3,
    edits: edit(
      LOOP,
      "await this.#install(ready.snapshot.index);",
      "void this.#install(ready.snapshot.index);",
    ),
    shows: /comes after|stops by itself|stopped by itself|invariant/,
  }),
  mutant({
    name: "a snapshot frame reaches the core while a Ready is pending",
    rule: "embedder 2",
    nodes: 3,
    // The core is guarded against it in production, and that is what shows: without the guard nothing came of it in 800 seeds.
    edits: edit(LOOP, "this.#offers.push(message);", "this.#options.core.step(message);"),
    conditions: PUBLISHERS_ALONE,
    shows: /a snapshot frame was stepped while a Ready was pending/,
  }),
  mutant({
    name: "a leader that is removed leads on",
    rule: "embedder 3: transfer first",
    nodes: 3,
    // Without the second it is no bug: it stops as soon as it has applied that it is removed.
    edits: [
      ...edit(CHANGES, "if (id === own) {", "if (id === null) {"),
      ...edit(NODE, "change.id === this.#options.id) {", "change.id === null) {"),
    ],
    shows: /removed by entry \d+, goes on/,
  }),
  mutant({
    name: "no snapshot is taken after a change of membership",
    rule: "embedder 4",
    nodes: 3,
    edits: edit(LOOP, "keeper.want(entry.index);", ""),
    shows: /come or gone|nobody else|not within/,
  }),
  mutant({
    name: "what became of a snapshot is not reported",
    rule: "embedder 4",
    nodes: 3,
    edits: edit(
      CORE,
      'this.#node.reportSnapshot(peer, outcome === "installed" ? SnapshotFinish : SnapshotFailure);',
      "void [peer, outcome, SnapshotFinish, SnapshotFailure];",
    ),
    shows: /come or gone|not within|nobody else/,
    seedsMax: 1_000,
  }),
  mutant({
    name: "a leader answers reads on its lease",
    rule: "embedder 5: reads are confirmed by a majority",
    nodes: 3,
    edits: edit(
      CORE,
      "engineRaft.ReadOnlyOption.ReadOnlySafe",
      "engineRaft.ReadOnlyOption.ReadOnlyLeaseBased",
    ),
    shows: STALE,
    seedsMax: 1_500,
  }),
  mutant({
    name: "a read does not wait until its index is applied",
    rule: "embedder 5",
    nodes: 3,
    edits: edit(READS, "if (this.#applied >= index)", "if (index >= 0)"),
    shows: STALE,
  }),
  mutant({
    name: "a follower answers from what it has committed",
    rule: "embedder 5: stale reads",
    nodes: 3,
    edits: edit(
      READS,
      'if (role === "leader")\n                    return await this.#confirm();',
      "return this.#applied;",
    ),
    shows: STALE,
  }),
  mutant({
    name: "a leader tells of a commit that its own disk does not have",
    rule: "embedder 6: commit at most the last durable index",
    nodes: 1,
    edits: edit(LOOP, "isLeaders && message.commit <= durable && !lateFor.has(message.to)", "isLeaders"),
    conditions: SOLE_VOTER,
    shows: PARTED,
    seedsMax: 1_500,
  }),
  mutant({
    name: "the log's first index is one too low after a cut",
    rule: "embedder 8: our own Storage",
    nodes: 3,
    edits: edit(
      CORE,
      "return [this.#log.firstIndex(), null];",
      "return [Math.max(2, this.#log.firstIndex() - 1), null];",
    ),
    shows: /is committed and the log ends at|not within|by itself/,
  }),
  mutant({
    name: "the log is cut beyond the newest snapshot",
    rule: "ARCHITECTURE: the log is cut behind what is applied",
    nodes: 3,
    edits: edit(
      KEEPER,
      "this.#cuts.push({ index, atBytes });",
      "this.#cuts.push({ index: Math.min(index + 3, log.lastIndex()), atBytes });",
    ),
    shows: /no snapshot covers|does not start|not within|by itself|log_corrupt|invariant|has lost|another/,
  }),
  mutant({
    name: "term and vote are written only with entries",
    rule: "reliability: vote not persisted",
    nodes: 3,
    edits: edit(
      LOOP,
      "if (ready.entries.length === 0 && ready.snapshot === null && !promises)",
      "if (ready.entries.length === 0 && ready.snapshot === null)",
    ),
    shows: PARTED,
  }),
];
